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
    """Answers a change with `changed`, and every poll with what it is told to; without news, never."""

    def __init__(self, news: bytes | Exception | None = None) -> None:
        self.news = news
        self.changed = Polled(known=True, lost=False, items=[])

    async def watch(
        self, watcher: str, follow: tuple[str, ...], leave: tuple[str, ...], show: tuple[str, ...]
    ) -> bytes:
        await asyncio.sleep(0)
        if follow or leave or show:
            return msgspec.msgpack.encode(self.changed)
        if self.news is None:
            await asyncio.Event().wait()
        if isinstance(self.news, Exception):
            raise self.news
        assert self.news is not None
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


@pytest.mark.parametrize(
    "changed", [Polled(known=False, lost=False, items=[]), Polled(known=True, lost=True, items=[])]
)
async def test_a_change_tells_that_the_coordinator_has_begun_anew_or_lost_news(changed: Polled) -> None:
    """The debates that the line followed before must be named to it again."""
    coordinator = Coordinator()
    coordinator.changed = Polled(known=False, lost=False, items=[])  # it meets the watcher
    line = PollLine(runtime_over(coordinator).at(COORDINATOR, "0"), Listener(lambda _: None, lambda _: None))
    await line.change(("deb_1",), ())
    coordinator.changed = changed
    with pytest.raises(Unavailable):
        await line.change(("deb_2",), ())
    line.close()
