"""The client's address on a cluster, where each node's proxy sends to the replicas of all nodes: limits and the audit
log count the client, whichever node it came through and whatever it claims."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from worlds.backends import SetClock
from worlds.memory_server import Boards, Served, World, served
from worlds.migrated import migrated

from actors.cluster_nodes import Node
from actors.gateways.nodes import AGAIN_S, ClusterNodes
from aragora.config.settings import Settings
from aragora.identity.client_address import trusted_networks
from aragora.server.nodes import Told
from aragora.server.ports import ServerConfig

CLIENT, NODES = "203.0.113.9", ["192.0.2.10", "192.0.2.11", "192.0.2.12"]
JANE = {"email": "jane@example.com", "password": "not hers"}


class Cluster:
    """A server that believes the proxies of its nodes."""

    def __init__(self, settings: Settings) -> None:
        self.addresses = list(NODES)
        self.clock = SetClock()
        proxies = trusted_networks((*settings.trusted_proxies, "127.0.0.1/32", "::1/128"))
        self.nodes = ClusterNodes("1" * 56, proxies, Told, self.clock, self._living)
        config = ServerConfig("1.0.0", "ws://0.0.0.0:8765/ws", environment=settings.env, bind_host="0.0.0.0")
        self.served: Served = served(settings, World(), Boards(), config=config, hops=self.nodes)

    def _living(self) -> list[Node]:
        return [
            Node(f"{number}" * 56, address, head=number == 1, alive=True, draining=False)
            for number, address in enumerate(self.addresses, 1)
        ]

    async def guess(self, through: str, *forwarded: str) -> int:
        """The status of a wrong login that `through` passes on."""
        async with self.served.client(through) as proxy:
            headers = [("X-Forwarded-For", value) for value in forwarded]
            return (await proxy.post("/api/auth/login", json=JANE, headers=headers)).status_code

    async def audited(self) -> list[str]:
        """Where the logins came from, the first one first."""
        audit = self.served.identity.feature.ports.parts.audit
        return [entry.event.address for entry in reversed(await audit.page(limit=100))]


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    settings = Settings(
        data_dir=tmp_path,
        env="production",
        encryption_key=SecretStr("0" * 64),
        jwt_secret=SecretStr("j" * 40),
        api_token=SecretStr("api-token-of-the-test"),
        trusted_proxies=("198.51.100.5",),
    )
    migrated(settings)
    opened = Cluster(settings)
    await opened.nodes.look()
    yield opened
    await opened.served.aclose()


async def test_logins_through_three_nodes_are_one_clients_in_the_audit_log_and_for_the_limits(cluster: Cluster) -> None:
    statuses = [await cluster.guess(NODES[number % 3], f"6.6.6.{number}", CLIENT) for number in range(6)]
    assert statuses == [401] * 5 + [429], "five guesses from one address, and the next is refused"
    assert set(await cluster.audited()) == {CLIENT}
    assert await cluster.guess(NODES[0], "203.0.113.10") == 401, "another client of the same node is another one"


async def test_a_program_on_a_nodes_host_cannot_lend_itself_addresses(cluster: Cluster) -> None:
    statuses = [await cluster.guess(NODES[1], f"6.6.6.{number}", NODES[0]) for number in range(6)]
    assert statuses == [401] * 5 + [429]
    assert set(await cluster.audited()) == {NODES[0]}


async def test_the_operators_proxy_is_believed_through_every_node(cluster: Cluster) -> None:
    for node in NODES:
        await cluster.guess(node, f"{CLIENT}, 198.51.100.5")
    assert set(await cluster.audited()) == {CLIENT}


async def test_who_reaches_a_replica_past_the_proxies_is_what_it_is(cluster: Cluster) -> None:
    await cluster.guess("192.0.2.99", CLIENT)
    assert await cluster.audited() == ["192.0.2.99"]


async def test_the_first_request_through_a_node_that_has_just_joined_is_the_clients(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.gateways.nodes.PATIENCE_S", 30.0)  # however busy this machine is
    cluster.addresses.append("192.0.2.13")
    cluster.clock.at += AGAIN_S
    await cluster.guess("192.0.2.13", CLIENT)
    assert await cluster.audited() == [CLIENT]
