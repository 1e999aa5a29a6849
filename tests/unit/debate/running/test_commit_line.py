"""The commit line: one commit in flight, the next one filling, the same rows at every attempt. No debate runs here."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from worlds.waiting import eventually

from aragora.debate.journal import JournalRow
from aragora.debate.model import RoundStarted
from aragora.debate.running.commit_line import Batch, CommitLine, LineState
from aragora.errors import AragoraError, Fenced, Unavailable
from aragora.receipts.canonical import journal_digest

CLOSED = Unavailable("closed")


@dataclass
class Owner:
    """Writes to a list as soon as it may; `failures` come first. Notes what it is told."""

    failures: list[AragoraError] = field(default_factory=list)
    batches: list[Batch] = field(default_factory=list)  # as attempted
    told: list[tuple[JournalRow, ...]] = field(default_factory=list)
    lost: list[AragoraError] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    async def commit(self, batch: Batch) -> tuple[JournalRow, ...]:
        self.batches.append(batch)
        await self.gate.wait()
        if self.failures:
            raise self.failures.pop(0)
        return batch.rows

    def committed(self, rows: tuple[JournalRow, ...]) -> None:
        self.told.append(rows)

    def refused(self, error: AragoraError) -> None:
        self.lost.append(error)


@pytest.fixture
def owner() -> Owner:
    return Owner()


@pytest.fixture
def line() -> CommitLine:
    return CommitLine("deb_1", lambda: 7.5, lambda _attempt: 0.0)


def add(line: CommitLine, *rounds: int) -> None:
    for number in rounds:
        line.add(RoundStarted(number, ()))


def seqs(batch: Batch) -> list[int]:
    return [row.seq for row in batch.rows]


async def test_events_become_numbered_and_stamped_rows_of_one_batch(line: CommitLine, owner: Owner) -> None:
    line.account("{}")
    add(line, 1, 2)
    assert line.write(owner)
    await line.settled()
    assert [(row.debate_id, row.seq, row.at) for row in owner.told[0]] == [("deb_1", 2, 7.5), ("deb_1", 3, 7.5)]
    assert line.seq == 3
    assert line.digest == journal_digest(["{}", *(row.payload for row in owner.told[0])])
    assert line.state is LineState.IDLE


async def test_without_events_nothing_is_written(line: CommitLine, owner: Owner) -> None:
    assert not line.write(owner)
    line.linger(owner)
    assert line.state is LineState.IDLE


async def test_what_is_added_while_a_commit_is_in_flight_waits_for_the_next(line: CommitLine, owner: Owner) -> None:
    owner.gate.clear()
    add(line, 1)
    line.write(owner)
    await eventually(lambda: len(owner.batches) == 1)
    add(line, 2, 3)
    assert line.write(owner)
    line.linger(owner)
    assert line.state is LineState.WRITING
    owner.gate.set()
    await line.settled()
    assert line.write(owner)
    await line.settled()
    assert [seqs(batch) for batch in owner.batches] == [[1], [2, 3]]


async def test_a_lingering_line_writes_by_itself_and_takes_along_what_came_meanwhile(
    line: CommitLine, owner: Owner
) -> None:
    add(line, 1)
    line.linger(owner)
    assert line.state is LineState.LINGERING
    assert not line.in_flight
    add(line, 2)
    await eventually(lambda: bool(owner.told))
    assert [seqs(batch) for batch in owner.batches] == [[1, 2]]


async def test_a_lingering_line_writes_at_once_when_it_is_told_to(line: CommitLine, owner: Owner) -> None:
    add(line, 1)
    line.linger(owner)
    assert line.write(owner)
    assert line.state is LineState.WRITING
    await line.settled()
    assert len(owner.batches) == 1


async def test_a_store_that_is_away_is_tried_again_with_the_same_rows(line: CommitLine, owner: Owner) -> None:
    owner.failures = [Unavailable("away"), Unavailable("still away")]
    add(line, 1)
    line.write(owner)
    await line.settled()
    assert owner.batches == [owner.batches[0]] * 3
    assert owner.told == [owner.batches[0].rows]
    assert owner.lost == []


async def test_a_waiting_caller_learns_the_seq_of_its_last_row_once_it_is_durable(
    line: CommitLine, owner: Owner
) -> None:
    owner.gate.clear()
    add(line, 1, 2)
    durable = line.durable()
    assert line.waited_for
    line.write(owner)
    await eventually(lambda: len(owner.batches) == 1)
    assert not line.waited_for
    assert not durable.done()
    owner.gate.set()
    assert await durable == 2


async def test_a_fenced_commit_is_told_once_and_its_callers_learn_why_the_line_was_closed(
    line: CommitLine, owner: Owner
) -> None:
    fenced = Fenced("another coordinator writes this debate")
    owner.failures = [fenced]
    add(line, 1)
    durable = line.durable()
    line.write(owner)
    await line.settled()
    assert owner.lost == [fenced]
    assert owner.told == []
    line.close(CLOSED)
    with pytest.raises(Unavailable, match="closed"):
        await durable


async def test_a_closed_line_begins_nothing_and_refuses_those_who_wait(line: CommitLine, owner: Owner) -> None:
    add(line, 1)
    line.linger(owner)
    durable = line.durable()
    line.close(CLOSED)
    assert not line.write(owner)
    line.linger(owner)
    assert line.state is LineState.CLOSED
    with pytest.raises(Unavailable, match="closed"):
        await durable
    assert owner.batches == []


async def test_a_commit_in_flight_when_the_line_is_closed_still_reports(line: CommitLine, owner: Owner) -> None:
    owner.gate.clear()
    add(line, 1)
    durable = line.durable()
    line.write(owner)
    await eventually(lambda: len(owner.batches) == 1)
    line.close(CLOSED)
    owner.gate.set()
    await line.settled()
    assert await durable == 1
    assert len(owner.told) == 1
    assert line.state is LineState.CLOSED


async def test_a_closed_line_does_not_try_again(line: CommitLine, owner: Owner) -> None:
    away = Unavailable("away")
    owner.failures = [away]
    owner.gate.clear()
    add(line, 1)
    line.write(owner)
    await eventually(lambda: len(owner.batches) == 1)
    line.close(CLOSED)
    owner.gate.set()
    await line.settled()
    assert owner.lost == [away]
    assert len(owner.batches) == 1


async def test_a_caller_that_no_longer_waits_holds_nothing_up(line: CommitLine, owner: Owner) -> None:
    add(line, 1)
    gone, stays = line.durable(), line.durable()
    gone.cancel()
    line.write(owner)
    assert await stays == 1


async def test_the_callers_of_a_commit_that_fails_after_the_line_was_closed_learn_why_it_was(
    line: CommitLine, owner: Owner
) -> None:
    owner.failures = [Unavailable("away")]
    owner.gate.clear()
    add(line, 1)
    durable = line.durable()
    line.write(owner)
    await eventually(lambda: len(owner.batches) == 1)
    line.close(CLOSED)
    owner.gate.set()
    with pytest.raises(Unavailable, match="closed"):
        await asyncio.wait_for(durable, 30)
