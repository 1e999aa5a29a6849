"""Many WebSocket clients that follow one debate and note when each event came, in a process of their own.

    python -m benchmarks.socket_crowd PORT DEBATE_ID CLIENTS

Prints `ready` when all have subscribed, and at the debate's end one JSON line: p50 and p99 of the milliseconds from an
event's time in the journal to each client, of a person's votes (which come one by one), of what the agents say (in
bursts), and of all events. Raw protocols: a library would cost more than the server that is measured.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import sys
import time
from collections import defaultdict
from typing import Final

from benchmarks.figures import percentile

LIMIT_S: Final = 300.0
GROUPS: Final = {"single": ("user_vote",), "burst": ("agent_message", "critique", "vote")}
_HEAD: Final = re.compile(rb'\{"type":"(\w+)"')
_TIME: Final = re.compile(rb'"timestamp":([0-9.e+]+)')
Latencies = defaultdict[str, list[float]]


class Follower(asyncio.Protocol):
    """One client: handshake, one subscription, then events until the debate's end."""

    def __init__(self, port: int, debate_id: str, latencies: Latencies) -> None:
        loop = asyncio.get_running_loop()
        self.subscribed: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        self._port = port
        self._debate_id = debate_id
        self._latencies = latencies
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        came_at = time.time()
        self._buffer += data
        if not self.subscribed.done() and not self._shake_hands():
            return
        payloads, used = frames(self._buffer)
        del self._buffer[:used]
        for payload in payloads:
            self._note(payload, came_at)

    def connection_lost(self, exc: Exception | None) -> None:
        for waited in (self.subscribed, self.ended):
            if not waited.done():
                waited.set_exception(ConnectionError(f"the server left: {exc}"))

    def _shake_hands(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        if not self._buffer.startswith(b"HTTP/1.1 101"):
            self.subscribed.set_exception(ConnectionError(bytes(self._buffer[:end]).decode("latin-1")))
            return False
        del self._buffer[: end + 4]
        assert self._transport is not None
        self._transport.write(masked(f'{{"type":"subscribe","debate_id":"{self._debate_id}"}}'.encode()))
        self.subscribed.set_result(None)
        return True

    def _note(self, payload: bytes, came_at: float) -> None:
        head, stamp = _HEAD.match(payload), _TIME.search(payload, max(0, len(payload) - 300))
        kind = head[1].decode() if head else ""
        if kind == "error":
            self.ended.set_exception(ConnectionError(payload.decode()))
        if b'"seq":0' in payload[-300:] or stamp is None:
            return  # the server's own: connection_info, heartbeat
        self._latencies[kind].append(1000 * (came_at - float(stamp[1])))
        if kind == "debate_end" and not self.ended.done():
            self.ended.set_result(None)


def frames(buffer: bytearray) -> tuple[list[bytes], int]:
    """The payloads of the whole text frames that an unmasked `buffer` begins with, and their bytes (RFC 6455, 5.2)."""
    payloads, at = [], 0
    while len(buffer) >= at + 2:
        size, head = buffer[at + 1] & 0x7F, 2
        if size == 126:
            size, head = int.from_bytes(buffer[at + 2 : at + 4], "big"), 4
        elif size == 127:
            size, head = int.from_bytes(buffer[at + 2 : at + 10], "big"), 10
        if len(buffer) < at + head + size:
            break
        if buffer[at] & 0x0F == 1:
            payloads.append(bytes(buffer[at + head : at + head + size]))
        at += head + size
    return payloads, at


def masked(payload: bytes) -> bytes:
    """A text frame of a client, under 126 bytes or 64 KB; the mask is zero, which RFC 6455 allows and costs nothing."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else bytes([0x80 | 126]) + size.to_bytes(2, "big")
    return b"\x81" + length + bytes(4) + payload


async def _crowd(port: int, debate_id: str, clients: int) -> None:
    latencies: Latencies = defaultdict(list)
    loop = asyncio.get_running_loop()
    followers = []
    for _ in range(clients):
        _, follower = await loop.create_connection(lambda: Follower(port, debate_id, latencies), "127.0.0.1", port)
        await follower.subscribed
        followers.append(follower)
    await asyncio.sleep(1.0)  # the server has read the last subscription
    latencies.clear()  # what they caught up on is no news
    print("ready", flush=True)
    async with asyncio.timeout(LIMIT_S):
        await asyncio.gather(*(follower.ended for follower in followers))
    print(json.dumps(figures(latencies)))


def figures(latencies: dict[str, list[float]]) -> dict[str, float]:
    """Of each group and of all; `received` counts them."""
    told: dict[str, float] = {"received": sum(map(len, latencies.values()))}
    for name, kinds in (*GROUPS.items(), ("all", tuple(latencies))):
        found = sorted(latency for kind in kinds for latency in latencies.get(kind, ()))
        told[f"{name}_p50_ms"] = round(percentile(found, 0.5), 2)
        told[f"{name}_p99_ms"] = round(percentile(found, 0.99), 2)
    return told


if __name__ == "__main__":
    asyncio.run(_crowd(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
