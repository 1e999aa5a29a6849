"""A plain WebSocket client that writes down what it is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from worlds.waiting import WAIT_S


@dataclass
class EventClient:
    """One connection; `events` holds the journaled events of every debate in the order they came."""

    socket: ClientConnection
    info: dict[str, Any]
    events: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    errors: list[dict[str, Any]] = field(default_factory=list)

    async def say(self, **message: Any) -> None:
        await self.socket.send(json.dumps(message))

    async def subscribe(self, debate_id: str, after_seq: int = 0) -> None:
        await self.say(type="subscribe", debate_id=debate_id, after_seq=after_seq)

    async def hear(self) -> dict[str, Any]:
        """The next message of any type, written down; fails after `WAIT_S` seconds of silence."""
        message: dict[str, Any] = json.loads(await asyncio.wait_for(self.socket.recv(), WAIT_S))
        if message["type"] == "error":
            self.errors.append(message)
        elif message["seq"]:
            self.events.setdefault(message["loop_id"], []).append(message)
            if message["type"] == "debate_end":
                self.ended.add(message["loop_id"])
        return message

    async def next_of(self, kind: str) -> dict[str, Any]:
        while (message := await self.hear())["type"] != kind:
            continue
        return message

    async def until_ended(self, debate_ids: Iterable[str], within_s: float = 2 * WAIT_S) -> None:
        """Listen until all these debates have ended; fails after `within_s` seconds."""
        wanted = set(debate_ids)
        async with asyncio.timeout(within_s):
            while not wanted <= self.ended:
                await self.hear()

    def seqs(self, debate_id: str) -> list[int]:
        return [event["seq"] for event in self.events.get(debate_id, [])]


@asynccontextmanager
async def listening(port: int) -> AsyncIterator[EventClient]:
    """A client of ws://127.0.0.1:PORT/ws that has been introduced."""
    async with connect(f"ws://127.0.0.1:{port}/ws", max_size=None, open_timeout=WAIT_S) as socket:
        first: dict[str, Any] = json.loads(await asyncio.wait_for(socket.recv(), WAIT_S))
        yield EventClient(socket, first)
