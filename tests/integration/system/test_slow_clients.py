"""Clients that are slow, large or too fast, on raw sockets before the running server: each holds what it holds for a
bounded time, and the others are served meanwhile."""

from __future__ import annotations

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from worlds.live_server import LiveServer
from worlds.waiting import WAIT_S, wait_until

from aragora import limits

pytestmark = pytest.mark.slow

HOST = b"Host: 127.0.0.1\r\n"


def until_closed(port: int, first: bytes, then: bytes) -> bytes:
    """Send `first`, then `then` again and again, until the server closes; what it said. Fails where it does not."""
    said = b""
    with socket.create_connection(("127.0.0.1", port), timeout=0.2) as client:
        client.sendall(first)

        def closed() -> bool:
            nonlocal said
            try:
                client.sendall(then)
                got = client.recv(65_536)
            except TimeoutError:
                return False
            except (ConnectionResetError, BrokenPipeError):
                return True
            said += got
            return not got

        wait_until(closed, "the server to close")
    return said


def test_an_unfinished_header_or_a_body_that_nobody_reads_ends_its_connection(server: LiveServer) -> None:
    ports = (server.http_port, server.ws_port)
    trickling_body = HOST + b"Content-Length: 100000\r\n\r\n"
    clients = [
        *((port, b"GET /api/health HTTP/1.1\r\n" + HOST, b"X-More: x\r\n", b" 408 ") for port in ports),
        *((port, b"", b"", b" 408 ") for port in ports),
        *((port, b"POST /api/nowhere HTTP/1.1\r\n" + trickling_body, b"x", b" 404 ") for port in ports),
        *((port, b"GET /api/health HTTP/1.1\r\n" + trickling_body, b"x", b" 200 ") for port in ports),
    ]
    with ThreadPoolExecutor(len(clients)) as threads:
        running = [threads.submit(until_closed, port, first, then) for port, first, then, _ in clients]
        assert server.get("/api/health")["status"] == "healthy"
        for (_, first, _, status), one in zip(clients, running, strict=True):
            assert status in one.result().partition(b"\r\n")[0], first


def test_a_large_message_ends_the_connection(server: LiveServer) -> None:
    for port in (server.http_port, server.ws_port):
        with connect(f"ws://127.0.0.1:{port}/ws", open_timeout=WAIT_S, compression=None) as client:
            client.recv(WAIT_S)
            client.send("x" * 1_000_000)
            with pytest.raises(ConnectionClosed) as closed:
                client.recv(WAIT_S)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1009


def test_a_flood_of_pings_is_refused_and_then_cut_off(server: LiveServer) -> None:
    codes: list[str] = []
    with connect(f"ws://127.0.0.1:{server.ws_port}/ws", open_timeout=WAIT_S, max_queue=None) as client:
        with suppress(ConnectionClosed):
            for _ in range(5_000):
                client.send('{"type":"ping"}')
        with suppress(ConnectionClosed):
            while True:
                codes.append(json.loads(client.recv(WAIT_S))["data"].get("code", ""))
        assert client.close_code == 1008
    assert codes.count("rate_limited") <= limits.COMMANDS_REFUSED_MAX + 10
    assert server.get("/api/health")["status"] == "healthy"
