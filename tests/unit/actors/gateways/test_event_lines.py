"""A line that polls: whatever ends its polling loses the line, so that its user opens another."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from worlds.actors_without_ray import runtime_over
from worlds.waiting import eventually

from actors.channels.event_outlets import Polled
from actors.gateways.event_lines import Listener, PollLine
from actors.kinds import COORDINATOR
from aragora.errors import AragoraError, Unavailable


class Coordinator:
    """Answers a change with sound news, and every poll with what it is told to."""

    def __init__(self, news: bytes | Exception) -> None:
        self.news = news

    async def watch(self, watcher: str, follow: tuple[str, ...], leave: tuple[str, ...]) -> bytes:
        await asyncio.sleep(0)
        if follow or leave:
            return msgspec.msgpack.encode(Polled(known=True, lost=False, items=[]))
        if isinstance(self.news, Exception):
            raise self.news
        return self.news


@pytest.mark.parametrize(
    "news",
    [b"\xc1 is no msgpack", Unavailable("restarting"), msgspec.msgpack.encode(Polled(known=True, lost=True, items=[]))],
    ids=["unreadable", "away", "lost"],
)
async def test_a_line_is_lost_once_with_whatever_ends_its_polling(news: bytes | Exception) -> None:
    lost: list[AragoraError] = []
    line = PollLine(runtime_over(Coordinator(news)).at(COORDINATOR, "0"), Listener(lambda _: None, lost.append))
    await line.change(("deb_1",), ())
    await eventually(lambda: lost, "the line is lost")
    await asyncio.sleep(0)
    assert [type(error) for error in lost] == [Unavailable]
