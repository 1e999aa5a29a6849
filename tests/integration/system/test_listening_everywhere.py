"""A server on 0.0.0.0 is reached from other addresses than loopback, on both ports, and its replicas are not."""

from __future__ import annotations

import http.client
import json
import secrets
from collections.abc import Iterator
from contextlib import closing

import psutil
import pytest
from websockets.sync.client import connect
from worlds.live_server import LiveServer, running
from worlds.server_processes import end_all, named
from worlds.waiting import WAIT_S

from actors.ray_environment import REPLICA_PORTS, REPLICA_PORTS_EACH

pytestmark = pytest.mark.slow

TOKEN = secrets.token_hex(32)
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def open_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    data_dir = tmp_path_factory.mktemp("everywhere") / "data"
    with running(data_dir, host="0.0.0.0", ARAGORA_API_TOKEN=TOKEN) as server:
        yield server
    end_all(data_dir)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2", "an interface"])
def test_both_ports_answer_at_every_address(open_server: LiveServer, address: str) -> None:
    if address == "an interface":
        address = interface()
    for port in (open_server.http_port, open_server.ws_port):
        with closing(http.client.HTTPConnection(address, port, timeout=60, source_address=(address, 0))) as connection:
            connection.request("GET", "/api/health")
            assert connection.getresponse().status == 200
        with connect(f"ws://{address}:{port}/ws", additional_headers=BEARER, open_timeout=WAIT_S) as client:
            assert json.loads(client.recv(WAIT_S))["type"] == "connection_info"


def test_a_debate_names_the_address_that_was_asked(open_server: LiveServer) -> None:
    body = json.dumps({"question": "Tea?", "agents": ["stub-1", "stub-2"], "rounds": 1})
    with closing(http.client.HTTPConnection("127.0.0.2", open_server.http_port, timeout=60)) as connection:
        connection.request("POST", "/api/debates", body, {**BEARER, "Content-Type": "application/json"})
        opened = json.loads(connection.getresponse().read())
    assert opened["ws_url"] == f"ws://127.0.0.2:{open_server.ws_port}/ws"


def test_replicas_are_reached_through_the_proxy_alone(open_server: LiveServer) -> None:
    replicas = named(open_server.data_dir, "ray::ServeReplica")
    assert replicas
    first, last = REPLICA_PORTS[0], REPLICA_PORTS[1] + REPLICA_PORTS_EACH
    for replica in replicas:
        listens = [at.laddr for at in replica.net_connections("tcp") if at.status == psutil.CONN_LISTEN]
        serving = {at.ip for at in listens if first <= at.port < last}
        assert serving == {"127.0.0.1"}, listens


def interface() -> str:
    for addresses in psutil.net_if_addrs().values():
        for one in addresses:
            if one.family.name == "AF_INET" and not one.address.startswith("127."):
                return str(one.address)
    pytest.skip("this machine has no address but loopback")
