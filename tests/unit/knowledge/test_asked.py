"""What a workspace asks about of late, read from its debates and from what was noted of them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, replace

import pytest
from worlds.backends import SetClock
from worlds.taught import HOME, QUESTION, taught

from aragora.debate.store.debates import Asked
from aragora.errors import InvalidInput, Unavailable
from aragora.knowledge.asked import AskedOfLate
from aragora.knowledge.decisive import READ_CHARS
from aragora.knowledge.model import Home
from aragora.knowledge.mound.adapters import pulse
from aragora.knowledge.observations import Observation
from aragora.knowledge.trending import DAY_S, DEBATES_MAX

(NOTE,) = pulse.observe(taught())
NOW = NOTE.at + 60.0


def note(number: int) -> Observation:
    return replace(NOTE, debate_id=f"deb_{number}")


@dataclass
class Store:
    """These debates and notes are there, and nothing is answered while `free` is cleared."""

    debates: list[Asked]
    notes: list[Observation]

    def __post_init__(self) -> None:
        self.asked_for: list[tuple[str, str, float, int, int]] = []
        self.free = asyncio.Event()
        self.free.set()

    async def asked(self, org_id: str, workspace: str, since: float, limit: int, chars: int) -> list[Asked]:
        await self.free.wait()
        self.asked_for.append((org_id, workspace, since, limit, chars))
        return self.debates[:limit]

    async def of_debates(self, home: Home, adapter: str, debate_ids: Collection[str]) -> list[Observation]:
        assert (home, adapter) == (HOME, pulse.NAME)
        return [one for one in self.notes if one.debate_id in debate_ids]


def over(store: Store, limit_s: float = 30.0) -> AskedOfLate:
    return AskedOfLate(store, store, SetClock(NOW), limit_s=limit_s)


async def test_the_words_are_those_of_the_debates_and_the_counts_those_of_the_notes() -> None:
    store = Store([Asked("deb_1", QUESTION), Asked("deb_2", QUESTION)], [note(2), note(1)])
    found = await over(store).topics(HOME)
    (topic,) = found.topics
    assert (topic.name, topic.question) == ("replicas cache", QUESTION)
    assert (topic.debates, topic.questions, topic.decided, topic.domain) == (2, 1, 2, "storage")
    assert (found.days, found.debates, found.since, found.cut) == (30, 2, NOTE.at, False)
    assert store.asked_for == [("local", "default", NOW - 30 * DAY_S, DEBATES_MAX + 1, READ_CHARS)]


async def test_of_fewer_days_the_time_before_is_read_too() -> None:
    store = Store([], [])
    await over(store).topics(HOME, days=2)
    assert store.asked_for[0][2] == NOW - 28 * DAY_S


async def test_a_debate_without_a_note_or_with_a_damaged_one_is_not_told_of() -> None:
    debates = [Asked(f"deb_{number}", QUESTION) for number in (1, 2, 3)]
    store = Store(debates, [note(1), replace(note(2), body="{")])
    found = await over(store).topics(HOME)
    assert [topic.debate_id for topic in found.topics] == ["deb_1"]
    assert found.debates == 1


async def test_of_many_debates_the_newest_are_looked_at_and_the_answer_says_so() -> None:
    numbers = range(DEBATES_MAX + 5)
    store = Store([Asked(f"deb_{one}", QUESTION) for one in numbers], [note(one) for one in numbers])
    found = await over(store).topics(HOME)
    assert (found.debates, found.cut, found.topics[0].debates) == (DEBATES_MAX, True, DEBATES_MAX)


async def test_nothing_asked_is_nothing_told() -> None:
    found = await over(Store([], [])).topics(HOME)
    assert (found.topics, found.debates, found.since, found.cut) == ((), 0, None, False)


@pytest.mark.parametrize(("days", "limit"), [(0, 10), (91, 10), (30, 0), (30, 21)])
async def test_numbers_out_of_bounds_are_refused(days: int, limit: int) -> None:
    with pytest.raises(InvalidInput, match="give 1 to"):
        await over(Store([], [])).topics(HOME, days, limit)


async def test_a_store_that_does_not_answer_in_time_is_told_of() -> None:
    store = Store([Asked("deb_1", QUESTION)], [note(1)])
    store.free.clear()
    looking = over(store, limit_s=0.01)
    with pytest.raises(Unavailable, match="asked about of late"):
        await looking.topics(HOME)


async def test_looks_at_the_same_time_are_all_answered() -> None:
    store = Store([Asked("deb_1", QUESTION)], [note(1)])
    looking = over(store)
    found = await asyncio.gather(*[looking.topics(HOME) for _ in range(5)])
    assert len({one.topics for one in found}) == 1
