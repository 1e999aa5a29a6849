"""Adapters that come with an update learn from the debates that ended before, and each of these once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from sqlalchemy import delete, insert
from worlds.backends import SetClock

from aragora.debate.model import DebateStatus
from aragora.debate.store.debates import DebateStore
from aragora.debate.store.tables import debates
from aragora.errors import Unavailable
from aragora.knowledge.lessons import Lessons
from aragora.knowledge.relearning import RUN_S, Reached, Relearning, relearning_job
from aragora.knowledge.store.reading import KnowledgeReader
from aragora.knowledge.store.relearnt import Relearnt
from aragora.knowledge.syncing import PORTION
from aragora.knowledge.syncs import Learnt
from aragora.storage.database import Database
from aragora.storage.outbox import OutboxRow


@dataclass
class Learner:
    """Notes what it is given. It takes `takes_s` seconds a portion, and fails at the portion `fails_at`."""

    clock: SetClock
    takes_s: float = 0.0
    fails_at: int = 0

    def __post_init__(self) -> None:
        self.given: list[str] = []
        self.portions = 0

    async def earlier(self, rows: Sequence[OutboxRow], lessons: Lessons) -> Learnt:
        self.portions += 1
        if self.portions == self.fails_at:
            raise Unavailable("the store is away")
        self.given += [row.outbox_id for row in rows]
        self.clock.at += self.takes_s
        return Learnt(len(rows), added=len(rows))


@pytest.fixture
async def kept(journals_database: Database) -> Database:
    """The store of debates, which has none."""
    async with journals_database.writing() as connection:
        await connection.execute(delete(debates))
    return journals_database


async def began(database: Database, *at: float, status: DebateStatus = DebateStatus.COMPLETED) -> list[str]:
    """Keep debates that began at these times; the ids of their outbox rows."""
    names = [f"deb_{status.value}_{number}" for number, _ in enumerate(at)]
    plain = {"question": "x", "spec": "{}", "created_by": "usr_1", "org_id": "acme", "rounds": 1, "cost_usd": 0.0}
    rows = [
        {**plain, "debate_id": name, "status": status.value, "created_at": one, "updated_at": one, "last_seq": 1}
        for name, one in zip(names, at, strict=True)
    ]
    async with database.writing() as connection:
        await connection.execute(insert(debates), rows)
    return [f"{name}:knowledge" for name in names]


def relearning(learners: dict[str, Learner], kept: Database, database: Database, clock: SetClock) -> Relearning:
    return Relearning(learners, DebateStore(kept), KnowledgeReader(database), Relearnt(database), clock)


async def test_an_adapter_learns_once_from_all_that_ended_before_it_was_there(
    kept: Database, database: Database, clock: SetClock
) -> None:
    ids = await began(kept, *(clock.now() - 1_000.0 + number for number in range(PORTION + 3)))
    await began(kept, clock.now() - 10.0, status=DebateStatus.WAITING)  # its end comes by the outbox
    old, new = Learner(clock), Learner(clock)
    assert (await relearning({"old": old}, kept, database, clock).run()).debates == len(ids)
    assert old.given == ids

    clock.at += 100.0
    await began(kept, clock.now() - 50.0, status=DebateStatus.FAILED)  # by the outbox, for the old one
    await relearning({"old": old, "new": new}, kept, database, clock).run()
    assert old.given == ids
    assert new.given == [*ids, "deb_failed_0:knowledge"]


async def test_a_walk_goes_on_where_it_was_cut_off(kept: Database, database: Database, clock: SetClock) -> None:
    ids = await began(kept, *(clock.now() - 1_000.0 + number for number in range(3 * PORTION)))
    slow = Learner(clock, takes_s=RUN_S)
    for _ in range(4):  # each run ends after its first portion
        await relearning({"slow": slow}, kept, database, clock).run()
    assert sorted(set(slow.given)) == sorted(ids)
    assert len(slow.given) < 4 * PORTION  # what was learnt is not learnt again, but for the last moment


async def test_a_store_that_is_away_costs_nothing_but_time(kept: Database, database: Database, clock: SetClock) -> None:
    ids = await began(kept, *(clock.now() - 1_000.0 + number for number in range(2 * PORTION)))
    failing = Learner(clock, fails_at=2)
    job = relearning_job(relearning({"failing": failing}, kept, database, clock))
    with pytest.raises(Unavailable):
        await job.run()
    assert await job.run() == "learnt 17 items from earlier debates"
    assert set(failing.given) == set(ids)


async def test_debates_that_began_at_the_same_moment_are_all_learnt_from(
    kept: Database, database: Database, clock: SetClock
) -> None:
    ids = await began(kept, *([clock.now() - 5.0] * (2 * PORTION + 1)))
    learner = Learner(clock)
    await relearning({"one": learner}, kept, database, clock).run()
    assert sorted(learner.given) == sorted(ids)


async def test_where_nothing_ended_the_walk_is_done_at_once(
    kept: Database, database: Database, clock: SetClock
) -> None:
    assert (await relearning({"one": Learner(clock)}, kept, database, clock).run()).debates == 0
    reached = await Relearnt(database).reached(("one", "two"))
    assert reached == {"one": Reached(clock.now(), clock.now())}
