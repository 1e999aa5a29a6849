"""What clients of a stream and of the WebSocket hear of an execution that waits for two events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from worlds.waiting import WAIT_S

from aragora.encoding import decode

DEFINITION = {
    "name": "Wait, then ask",
    "steps": [
        {"id": "first", "type": "wait", "event": "go", "next": "second"},
        {"id": "second", "type": "wait", "event": "on"},
    ],
}
STREAM = {"Accept": "text/event-stream"}


class Stream:
    """Reads a stream's events: (name, id, data)."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines

    async def read(self) -> tuple[str, str, Any] | None:
        """The next one; None where the stream has ended."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(WAIT_S):
            async for line in self._lines:
                if not line and "data" in fields:
                    return fields.get("event", ""), fields.get("id", ""), decode(fields["data"])
                name, _, value = line.partition(": ")
                fields[name] = value
        return None

    async def until_over(self) -> list[Any]:
        """The events up to the one that says that nothing more comes; then the stream ends."""
        seen: list[Any] = []
        while (read := await self.read()) is not None:
            name, number, event = read
            if name == "end_of_events":
                assert await self.read() is None
                return seen
            assert (name, number) == ("", str(event["seq"]))
            seen.append(event)
        raise AssertionError(f"the stream was cut off after {len(seen)} events")

    async def event(self) -> Any:
        """The next one, which is of the journal."""
        read = await self.read()
        assert read is not None
        assert read[1] == str(read[2]["seq"])
        return read[2]


async def heard(socket: Any, count: int | None = None) -> list[Any]:
    """So many journaled events, or all up to the message that says that nothing more comes."""
    seen: list[Any] = []
    async with asyncio.timeout(WAIT_S):
        while count is None or len(seen) < count:
            message = decode(await socket.recv())
            if message["seq"]:
                seen.append(message)
            elif message["type"] == "end_of_events":
                assert count is None, seen
                break
            assert message["type"] != "error", message
    return seen
