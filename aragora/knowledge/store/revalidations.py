"""Decisions that are debated again, a row for each question, and what each day has taken of its budget (context
`scheduled_debates`).

Rows hold ids, digests and times, and no word of a debate: their words are those of the item as it stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Double,
    Index,
    Integer,
    Select,
    Table,
    Text,
    and_,
    case,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from aragora.ids import new_id
from aragora.knowledge.model import Home
from aragora.knowledge.revalidation import CLOSED, Allowance, Due, Reason, Result, Revalidation, State
from aragora.scope import Scope
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.tables import METADATA, insert_into

revalidations = Table(
    "revalidations",
    METADATA[Context.SCHEDULE],
    Column("revalidation_id", Text, primary_key=True),
    Column("org_id", Text, nullable=False),
    Column("workspace", Text, nullable=False),
    Column("question", Text, nullable=False),  # its digest
    Column("item_id", Text, nullable=False),
    Column("settled_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("since", Double, nullable=False),
    Column("asked", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("found_at", Double, nullable=False),
    Column("changed_at", Double, nullable=False),
    Column("not_before", Double, nullable=False),
    Column("day", Text, nullable=False),
    Column("held_micros", BigInteger, nullable=False),
    Column("debate_id", Text, nullable=False),
    Column("result", Text, nullable=False),
    Column("why", Text, nullable=False),
    Index("ux_revalidations_question", "org_id", "workspace", "question", unique=True),
    Index("ix_revalidations_state", "state", "changed_at"),
)

revalidation_days = Table(
    "revalidation_days",
    METADATA[Context.SCHEDULE],
    Column("day", Text, primary_key=True),  # YYYY-MM-DD, UTC
    Column("debates", Integer, nullable=False),
    Column("micros", BigInteger, nullable=False),  # held by debates that run, and spent by those that have ended
)

_OF: Final = revalidations.c
_DAYS: Final = revalidation_days.c
_COLUMNS: Final = tuple(_OF[name] for name in Revalidation.__slots__)
_TURN: Final = (case((_OF.reason == Reason.DISPUTED, 0), else_=1), _OF.asked.desc(), _OF.since, _OF.revalidation_id)
_READING: Final = "reading what is debated again"
_WRITING: Final = "writing what is debated again"


class RevalidationStore:
    """Over the database of context `scheduled_debates`. Every method raises Unavailable where that is away.

    What moves a row names the state that it leaves: a row that somebody else has moved meanwhile stays as it is.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def plan(self, home: Home, found: Iterable[tuple[str, Due]], now: float) -> int:
        """Plan these questions (by their digests) of a workspace; how many of them are new. One that is planned already
        is brought up to date; one that rests, or is being debated, is left alone."""
        rows = [_row(home, question, due, now) for question, due in found]
        if not rows:
            return 0
        new = insert_into(self._database, revalidations)
        free = and_(_OF.state.in_(CLOSED), _OF.not_before <= now)
        fresh = {name: new.excluded[name] for name in Revalidation.__slots__}
        told = {name: new.excluded[name] for name in ("item_id", "settled_by", "reason", "since", "asked")}
        known = new.on_conflict_do_update(
            index_elements=["org_id", "workspace", "question"], set_=told, where=_OF.state == State.PLANNED
        )
        begun = new.on_conflict_do_update(
            index_elements=["org_id", "workspace", "question"], set_=fresh, where=free
        ).returning(_OF.revalidation_id)
        planned = 0
        async with self._database.writing(_WRITING) as connection:
            for row in rows:
                planned += len((await connection.execute(begun, row)).all())
                await connection.execute(known, row)
        return planned

    async def planned(self, day: str, limit: int) -> list[Revalidation]:
        """Up to `limit` that wait, in their turn: those of organisations that had the fewest of a day first, of these
        disputed ones, then what is asked most, then what is due longest."""
        others = revalidations.alias()
        had = select(func.count()).where(others.c.day == day, others.c.org_id == _OF.org_id).scalar_subquery()
        query = select(*_COLUMNS).where(_OF.state == State.PLANNED).order_by(had, *_TURN).limit(limit)
        return await self._rows(query)

    async def count_planned(self) -> int:
        """How many wait."""
        query = select(func.count()).select_from(revalidations).where(_OF.state == State.PLANNED)
        return int((await self._database.rows(query, _READING))[0][0])

    async def standing(self, state: State, limit: int) -> list[Revalidation]:
        """Up to `limit` in a state, those that have been in it longest first."""
        query = select(*_COLUMNS).where(_OF.state == state).order_by(_OF.changed_at, _OF.revalidation_id).limit(limit)
        return await self._rows(query)

    async def hold(self, one: Revalidation, allowance: Allowance, now: float, *, day: str, micros: int) -> bool:
        """Hold a planned one's debate and its micro-dollars of a day's budget; False where that has not so much
        left, or the row is not planned any more. It is `opening` then."""
        taken = (
            update(revalidation_days)
            .where(_DAYS.day == day, _DAYS.debates < allowance.debates, _DAYS.micros + micros <= allowance.micros)
            .values(debates=_DAYS.debates + 1, micros=_DAYS.micros + micros)
        )
        beginning = insert_into(self._database, revalidation_days).on_conflict_do_nothing()
        async with self._database.writing(_WRITING) as connection:
            await connection.execute(beginning, {"day": day, "debates": 0, "micros": 0})
            if (await connection.execute(taken)).rowcount != 1:
                return False
            moved = await _move(connection, one, now, state=State.OPENING, day=day, held_micros=micros)
            if not moved:
                await _add(connection, day, debates=-1, micros=-micros)
        return moved

    async def opened(self, one: Revalidation, debate_id: str, now: float) -> bool:
        """Note the debate of one that is opening."""
        async with self._database.writing(_WRITING) as connection:
            return await _move(connection, one, now, state=State.OPENED, debate_id=debate_id)

    async def end(
        self, one: Revalidation, result: Result, why: str, now: float, *, micros: int, not_before: float
    ) -> bool:
        """Note what came of one that was opened. Of the day's budget it takes what it cost, in micro-dollars, and gives
        back what it held."""
        values = {"state": State.ENDED, "result": result, "why": why, "not_before": not_before}
        async with self._database.writing(_WRITING) as connection:
            ended = await _move(connection, one, now, **values)
            if ended:
                await _add(connection, one.day, debates=0, micros=micros - one.held_micros)
        return ended

    async def close(self, one: Revalidation, state: State, why: str, now: float, *, not_before: float) -> bool:
        """Refuse or drop one that was not opened. What it held of a day's budget is given back."""
        values = {"state": state, "why": why, "not_before": not_before, "held_micros": 0}
        async with self._database.writing(_WRITING) as connection:
            closed = await _move(connection, one, now, **values)
            if closed and one.state is State.OPENING:
                await _add(connection, one.day, debates=-1, micros=-one.held_micros)
        return closed

    async def of(self, scope: Scope, limit: int) -> list[Revalidation]:
        """Up to `limit` that the caller may see: what waits first, in its turn, then the newest changes."""
        waits = _OF.state == State.PLANNED
        query = select(*_COLUMNS).where(*_within(scope))
        waiting = await self._rows(query.where(waits).order_by(*_TURN).limit(limit))
        others = query.where(~waits).order_by(_OF.changed_at.desc(), _OF.revalidation_id).limit(limit - len(waiting))
        return waiting + (await self._rows(others) if len(waiting) < limit else [])

    async def get(self, scope: Scope, revalidation_id: str) -> Revalidation | None:
        """One that the caller may see; None where there is none."""
        query = select(*_COLUMNS).where(_OF.revalidation_id == revalidation_id, *_within(scope))
        found = await self._rows(query)
        return found[0] if found else None

    async def spent(self, day: str) -> tuple[int, int]:
        """What a day has taken of its budget so far: debates, and micro-dollars."""
        query = select(_DAYS.debates, _DAYS.micros).where(_DAYS.day == day)
        rows = await self._database.rows(query, _READING)
        return (int(rows[0][0]), int(rows[0][1])) if rows else (0, 0)

    async def forget(self, before: float) -> int:
        """Delete what came to an end before this time and may be planned again, and the sums of the days before it; how
        many of the first that were."""
        gone = delete(revalidations).where(_OF.state.in_(CLOSED), _OF.changed_at < before, _OF.not_before < before)
        async with self._database.writing("forgetting what was debated again") as connection:
            await connection.execute(delete(revalidation_days).where(_DAYS.day < day_of(before)))
            return (await connection.execute(gone)).rowcount

    async def _rows(self, query: Select[Any]) -> list[Revalidation]:
        return [_revalidation(row) for row in await self._database.rows(query, _READING)]


def day_of(now: float) -> str:
    """The day (UTC) whose budget counts at `now`."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d")


async def _move(connection: AsyncConnection, one: Revalidation, now: float, **values: object) -> bool:
    """Change a row that still stands as `one` says; whether it did."""
    here = update(revalidations).where(_OF.revalidation_id == one.revalidation_id, _OF.state == one.state)
    return (await connection.execute(here.values(changed_at=now, **values))).rowcount == 1


async def _add(connection: AsyncConnection, day: str, *, debates: int, micros: int) -> None:
    """Add to what a day has taken."""
    adding = update(revalidation_days).where(_DAYS.day == day)
    await connection.execute(adding.values(debates=_DAYS.debates + debates, micros=_DAYS.micros + micros))


def _within(scope: Scope) -> list[ColumnElement[bool]]:
    within = [] if scope.org_id is None else [_OF.org_id == scope.org_id]
    return within if scope.workspaces is None else [*within, _OF.workspace.in_(sorted(scope.workspaces))]


def _row(home: Home, question: str, due: Due, now: float) -> dict[str, object]:
    made = Revalidation(
        revalidation_id=new_id("rev"),
        org_id=home.org_id,
        workspace=home.workspace,
        question=question,
        item_id=due.item_id,
        settled_by=due.settled_by,
        reason=due.reason,
        since=due.since,
        asked=due.asked,
        state=State.PLANNED,
        found_at=now,
        changed_at=now,
    )
    return asdict(made)


def _revalidation(row: Sequence[Any]) -> Revalidation:
    read = Revalidation(*row)
    return replace(read, reason=Reason(read.reason), state=State(read.state), result=Result(read.result))
