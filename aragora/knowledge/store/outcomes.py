"""Outcomes of debates, every version, and what the agents' votes had foretold (context `aragora_memory`).

All outcomes of the store are numbered by `seq`, 1, 2, ... without a gap, in the order in which they become visible. The
number comes from the one row of `outcome_head`, which every writer locks before it looks at anything: the next writer
waits for the end of its transaction, and one that is rolled back gives its number back. So whoever has read up to a seq
has missed none before it, and `after` is a feed that a consumer follows with a cursor of its own. The same lock makes
the check of versions and the insert one step.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec
from sqlalchemy import BigInteger, Column, Double, Index, Integer, Row, Select, Table, Text, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from aragora.encoding import decode_as, encode_text
from aragora.knowledge.calibration import Curve, Tried, curve_of
from aragora.knowledge.outcomes import PERMILLE, Outcome, Wish, next_version, repeats
from aragora.ranking.calibration import Calibration, Forecast
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.tables import METADATA, insert_into

debate_outcomes = Table(
    "debate_outcomes",
    METADATA[Context.MEMORY],
    Column("debate_id", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False, unique=True),
    Column("org_id", Text, nullable=False),
    Column("workspace", Text, nullable=False),
    Column("domain", Text, nullable=False),
    Column("newest", Integer, nullable=False),  # 1: this version counts; 0: another has replaced it
    Column("held", Text),  # the name of the position that held; NULL: none did
    Column("agents", Text, nullable=False),  # JSON: who gave it
    Column("decision_right", Integer, nullable=False),  # 1 or 0: it is summed up
    Column("permille", Integer),  # the voted confidence in thousandths; NULL: the votes were not about the decision
    Column("forecasts", Text, nullable=False),  # JSON: what the votes foretold
    Column("by", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("recorded_at", Double, nullable=False),
    Column("own_words", Integer, nullable=False),  # 1: whoever told it had put them in place of the agents' answer
    Index("ix_debate_outcomes_curve", "org_id", "workspace", "domain", "newest", "permille"),
)

outcome_forecasts = Table(  # those of the newest versions, one row each, to be summed up
    "outcome_forecasts",
    METADATA[Context.MEMORY],
    Column("debate_id", Text, primary_key=True),
    Column("agent", Text, primary_key=True),
    Column("org_id", Text, nullable=False),
    Column("workspace", Text, nullable=False),
    Column("domain", Text, nullable=False),
    Column("squared_nanos", BigInteger, nullable=False),  # the squared error in 1e-9: sums of whole numbers are exact
    Index("ix_outcome_forecasts_of", "org_id", "workspace", "domain", "agent"),
)

outcome_head = Table(  # one row: the last seq, and the lock of all writers
    "outcome_head",
    METADATA[Context.MEMORY],
    Column("one", Integer, primary_key=True, autoincrement=False),  # always 1
    Column("seq", BigInteger, nullable=False),
)

DOMAINS_MAX: Final = 100
"""Domains of which one answer tells, those with the most outcomes."""
AGENTS_MAX: Final = 100
"""Agents of which it tells in each, those with the most forecasts."""

_READING: Final = "reading outcomes"


class OutcomeStore:
    """Over the database of context `aragora_memory`. Every method raises Unavailable where that fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, proposed: Outcome, wish: Wish) -> tuple[Outcome, bool]:
        """Keep an outcome as the next version; the outcome as kept, and whether it is new: the same again is the one
        that is stored. Raises Conflict as `next_version`."""
        async with self._database.writing("writing an outcome") as connection:
            head = await self._lock(connection)
            found = (await connection.execute(_newest((proposed.debate_id,)))).all()
            newest = _outcome(found[0]) if found else None
            if newest is not None and repeats(newest, proposed.right, wish):
                return newest, False
            version = next_version(newest, wish.replaces)
            kept = replace(proposed, version=version, seq=head + 1)
            await self._write(connection, kept)
        return kept, True

    async def newest(self, debate_id: str) -> Outcome | None:
        """The version that counts; None where nobody told one."""
        found = await self.newest_of((debate_id,))
        return found[0] if found else None

    async def newest_of(self, debate_ids: Collection[str]) -> list[Outcome]:
        """The versions that count of these debates, at most some hundreds; none of those of which nobody told one."""
        return [_outcome(row) for row in await self._database.rows(_newest(debate_ids), _READING)]

    async def history(self, debate_id: str) -> list[Outcome]:
        """All versions, the newest first."""
        query = select(debate_outcomes).where(debate_outcomes.c.debate_id == debate_id)
        rows = await self._database.rows(query.order_by(debate_outcomes.c.version.desc()), _READING)
        return [_outcome(row) for row in rows]

    async def after(self, seq: int, limit: int = 100) -> list[Outcome]:
        """The feed: up to `limit` outcomes with a greater seq, in their order. A later version of a debate's outcome
        takes the place of the one before."""
        query = select(debate_outcomes).where(debate_outcomes.c.seq > seq).order_by(debate_outcomes.c.seq).limit(limit)
        return [_outcome(row) for row in await self._database.rows(query, _READING)]

    async def head(self) -> int:
        """The last seq; 0 before the first outcome."""
        rows = await self._database.rows(select(outcome_head.c.seq), _READING)
        return int(rows[0][0]) if rows else 0

    async def curve(self, org_id: str, workspace: str, domain: str | None = None) -> Curve:
        """What outcomes say of the decisions of a workspace, in one domain or in all, leaning on the organisation's."""
        return (await self.curves(org_id, workspace, [domain]))[domain]

    async def curves(self, org_id: str, workspace: str, domains: Sequence[str | None]) -> dict[str | None, Curve]:
        """As `curve`, for each of these domains (None: all together), at most `DOMAINS_MAX`."""
        whole = await self.organisation(org_id)
        table = debate_outcomes.c
        found: dict[str | None, Curve] = {}
        if None in domains:
            found[None] = curve_of(await self._tried(org_id, table.workspace == workspace), whole)
        named = [domain for domain in domains if domain is not None]
        query = _counted(org_id, table.domain).where(table.workspace == workspace, table.domain.in_(named))
        by_domain: dict[str, list[Tried]] = {domain: [] for domain in named}
        for domain, *counts in await self._database.rows(query.group_by(table.domain), _READING) if named else ():
            by_domain[domain].append(_tried(*counts))
        return found | {domain: curve_of(tried, whole) for domain, tried in by_domain.items()}

    async def organisation(self, org_id: str) -> Curve:
        """What outcomes say of all decisions of an organisation."""
        return curve_of(await self._tried(org_id))

    async def domains(self, org_id: str, workspace: str, limit: int = DOMAINS_MAX) -> list[str]:
        """The domains of a workspace with outcomes, those with the most first."""
        table = debate_outcomes.c
        query = select(table.domain).where(table.org_id == org_id, table.workspace == workspace, table.newest == 1)
        query = query.group_by(table.domain).order_by(func.count().desc(), table.domain).limit(limit)
        return [row[0] for row in await self._database.rows(query, _READING)]

    async def agents(self, org_id: str, workspace: str) -> dict[str, Calibration]:
        """How the votes of agents fared in a workspace; those with the most forecasts first, `AGENTS_MAX` at most."""
        table = outcome_forecasts.c
        query = select(table.agent, func.count(), func.sum(table.squared_nanos))
        query = query.where(table.org_id == org_id, table.workspace == workspace).group_by(table.agent)
        query = query.order_by(func.count().desc(), table.agent).limit(AGENTS_MAX)
        rows = await self._database.rows(query, _READING)
        return {agent: Calibration.of(int(count), int(nanos)) for agent, count, nanos in rows}

    async def agents_by_domain(
        self, org_id: str, workspace: str, domains: Sequence[str]
    ) -> dict[str, dict[str, Calibration]]:
        """As `agents`, in each of these domains, at most `DOMAINS_MAX`."""
        table = outcome_forecasts.c
        query = select(table.domain, table.agent, func.count(), func.sum(table.squared_nanos))
        query = query.where(table.org_id == org_id, table.workspace == workspace, table.domain.in_(domains))
        query = query.group_by(table.domain, table.agent).order_by(func.count().desc(), table.agent)
        found: dict[str, dict[str, Calibration]] = {domain: {} for domain in domains}
        for domain, agent, count, nanos in await self._database.rows(query, _READING):
            if len(found[domain]) < AGENTS_MAX:
                found[domain][agent] = Calibration.of(int(count), int(nanos))
        return found

    async def _tried(self, org_id: str, *conditions: Any) -> list[Tried]:
        rows = await self._database.rows(_counted(org_id).where(*conditions), _READING)
        return [_tried(*row) for row in rows]

    async def _lock(self, connection: AsyncConnection) -> int:
        """Wait for the writers before, and keep out those behind; the last seq."""
        insert = insert_into(self._database, outcome_head).values(one=1, seq=0)
        locking = insert.on_conflict_do_update(index_elements=["one"], set_={"seq": outcome_head.c.seq})
        return int((await connection.execute(locking.returning(outcome_head.c.seq))).scalar_one())

    async def _write(self, connection: AsyncConnection, outcome: Outcome) -> None:
        table = debate_outcomes
        await connection.execute(update(outcome_head).values(seq=outcome.seq))
        replaced = update(table).where(table.c.debate_id == outcome.debate_id, table.c.newest == 1)
        await connection.execute(replaced.values(newest=0))
        await connection.execute(table.insert().values(_values(outcome)))
        of_debate = outcome_forecasts.c.debate_id == outcome.debate_id
        await connection.execute(outcome_forecasts.delete().where(of_debate))
        if outcome.forecasts:
            await connection.execute(outcome_forecasts.insert(), [_forecast(outcome, one) for one in outcome.forecasts])


def _newest(debate_ids: Collection[str]) -> Select[Any]:
    table = debate_outcomes.c
    return select(debate_outcomes).where(table.debate_id.in_(debate_ids), table.newest == 1)


def _counted(org_id: str, *by: Any) -> Select[Any]:
    """Counts of decisions and of right ones by their voted confidence."""
    table = debate_outcomes.c
    query = select(*by, table.permille, func.count(), func.sum(table.decision_right))
    return query.where(table.org_id == org_id, table.newest == 1, table.permille.is_not(None)).group_by(table.permille)


def _tried(permille: int, outcomes: int, right: int) -> Tried:
    return Tried(permille / PERMILLE, int(outcomes), int(right))


def _values(outcome: Outcome) -> dict[str, Any]:
    return {
        "debate_id": outcome.debate_id,
        "version": outcome.version,
        "seq": outcome.seq,
        "org_id": outcome.org_id,
        "workspace": outcome.workspace,
        "domain": outcome.domain,
        "newest": 1,
        "held": outcome.right,
        "agents": encode_text(outcome.agents),
        "decision_right": int(outcome.decision_right),
        "permille": None if outcome.confidence is None else round(outcome.confidence * PERMILLE),
        "forecasts": encode_text(outcome.forecasts),
        "by": outcome.by,
        "note": outcome.note,
        "at": outcome.at,
        "recorded_at": outcome.recorded_at,
        "own_words": int(outcome.own_words),
    }


def _forecast(outcome: Outcome, forecast: Forecast) -> dict[str, Any]:
    return {
        "debate_id": outcome.debate_id,
        "agent": forecast.agent,
        "org_id": outcome.org_id,
        "workspace": outcome.workspace,
        "domain": outcome.domain,
        "squared_nanos": forecast.squared_nanos,
    }


def _outcome(row: Row[Any]) -> Outcome:
    """The outcome of a row; forecasts that cannot be read are none, and the outcome stands."""
    try:
        forecasts = decode_as(row.forecasts, tuple[Forecast, ...])
    except (msgspec.DecodeError, ValueError):
        forecasts = ()
    return Outcome(
        debate_id=row.debate_id,
        org_id=row.org_id,
        workspace=row.workspace,
        domain=row.domain,
        right=row.held,
        agents=decode_as(row.agents, tuple[str, ...]),
        decision_right=bool(row.decision_right),
        confidence=None if row.permille is None else row.permille / PERMILLE,
        by=row.by,
        note=row.note,
        at=row.at,
        recorded_at=row.recorded_at,
        forecasts=forecasts,
        version=row.version,
        seq=row.seq,
        own_words=bool(row.own_words),
    )
