"""Entries of decisions in the store: what all replicas, and a program beside them, share.

Rules
- There is one entry a question. Whoever opens the debate claims the question first, in the place of nothing or of the
  very entry that it has seen: of many at once, one wins, on every replica.
- An entry holds no decision of its own. It is read together with its debate and receipt: what was deleted there is not
  given here.
- Invalidation by workspace, agent and tag deletes entries in one transaction, also those whose debate runs. What is
  claimed afterwards is debated afterwards. A new policy only counts one generation on: entries of earlier ones stay
  until somebody asks for them or room is needed.
- At most `entries_max` entries and `bytes_max` bytes are kept: beyond, the oldest go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Integer,
    bindparam,
    delete,
    func,
    literal,
    literal_column,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from aragora.debate.model import DebateStatus
from aragora.debate.store.tables import debates, receipts
from aragora.decisions.agent_versions import used
from aragora.decisions.entry import CLAIM_S, Claim, Entry, Standing
from aragora.decisions.store.tables import decision_entries, decision_policy
from aragora.encoding import decode_as, encode_text
from aragora.storage.database import Database, Lookup
from aragora.storage.tables import insert_into

FIRST_POLICY: Final = "1"
"""The policy in force until another one is set."""
_NEAR_MAX: Final = 3  # entries of one question in other words that are looked at
_PART: Final = 500  # values of one IN

_E: Final = decision_entries.c
_COLUMNS: Final = (
    *(_E.key, _E.debate_id, _E.question, _E.policy, _E.knowledge, _E.claimed_at, _E.opened_at, _E.kept_at, _E.ends_at),
    *(debates.c.status, debates.c.decision, debates.c.cost_usd, receipts.c.issued_at, receipts.c.document),
)
_FOUND: Final = (
    select(*_COLUMNS)
    .select_from(
        decision_entries.outerjoin(debates, debates.c.debate_id == _E.debate_id).outerjoin(
            receipts, receipts.c.debate_id == _E.debate_id
        )
    )
    .order_by(_E.claimed_at.desc())
)
_ONE: Final = select(literal_column("1").label("one")).subquery()
_BY_KEY: Final = select(decision_policy.c.version, decision_policy.c.generation, *_COLUMNS).select_from(
    _ONE.outerjoin(decision_policy, decision_policy.c.one == _ONE.c.one)
    .outerjoin(decision_entries, _E.key == bindparam("key"))
    .outerjoin(debates, debates.c.debate_id == _E.debate_id)
    .outerjoin(receipts, receipts.c.debate_id == _E.debate_id)
)
"""The policy, and the entry of a key where there is one: all that a request asks of this database, in one query."""
_BY_DEBATE: Final = (
    select(
        literal_column("''").label("key"),
        debates.c.debate_id,
        debates.c.question,
        literal_column("0").label("policy"),
        literal_column("''").label("knowledge"),
        debates.c.created_at.label("claimed_at"),
        debates.c.created_at.label("opened_at"),
        null().label("kept_at"),
        null().label("ends_at"),
        *(debates.c.status, debates.c.decision, debates.c.cost_usd),
        *(receipts.c.issued_at, receipts.c.document),
    )
    .select_from(debates.outerjoin(receipts, receipts.c.debate_id == debates.c.debate_id))
    .where(debates.c.debate_id == bindparam("debate_id"))
)
_POLICY: Final = select(decision_policy.c.version, decision_policy.c.generation)


@dataclass(frozen=True, slots=True)
class Policy:
    """The policy in force, and which one that is, counted from 0."""

    version: str = FIRST_POLICY
    generation: int = 0


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many entries are kept, and how many bytes they have with their decisions and receipts."""

    entries_max: int
    bytes_max: int


@dataclass(frozen=True, slots=True)
class Found:
    """What is under a key, and under what it would have to stand now."""

    policy: Policy
    standing: Standing
    entry: Entry | None


class Entries:
    """Over the database of context `debates`. Every method raises Unavailable where that is away, and then nothing was
    written."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def policy(self) -> Policy:
        """The policy in force."""
        found = await self._database.lookup(_POLICY, {}, "reading the policy of decisions")
        return Policy(*found[0]) if found else Policy()

    async def find(self, key: str, told: Lookup | None = None) -> Found:
        """The policy in force, the entry of a question, and what `told` reads beside them, of a database that is closed
        after this one."""
        values, what = {"key": key}, "reading a kept decision"
        if told is None:
            rows, knowledge = await self._database.lookup(_BY_KEY, values, what), ""
        else:
            rows, theirs = await self._database.lookups(_BY_KEY, values, told, what)
            knowledge = ".".join(map(str, theirs[0]))
        version, generation, *row = rows[0]
        policy = Policy() if version is None else Policy(version, generation)
        return Found(policy, Standing(policy.generation, knowledge), None if row[0] is None else _entry(row))

    async def of_debate(self, debate_id: str) -> Entry | None:
        """A debate as the entry that it was, whether or not it is one still; its key is empty."""
        found = await self._database.lookup(_BY_DEBATE, {"debate_id": debate_id}, "reading a decision")
        return _entry(found[0]) if found else None

    async def find_near(self, near_key: str) -> Sequence[Entry]:
        """Entries of the same question in other words, the newest first, `_NEAR_MAX` at the most."""
        query = _FOUND.where(_E.near_key == near_key).limit(_NEAR_MAX)
        return [_entry(row) for row in await self._database.rows(query, "reading kept decisions")]

    async def claim(self, claim: Claim, instead_of: str | None) -> bool:
        """Take a question for a debate that is about to be opened, in the place of the entry with the debate
        `instead_of`, or of none. False where another one is there by now."""
        values = {
            "key": claim.keys.exact,
            "near_key": claim.keys.near,
            "org_id": claim.org_id,
            "workspace": claim.workspace,
            "policy": claim.standing.policy,
            "knowledge": claim.standing.knowledge,
            "debate_id": claim.debate_id,
            "question": claim.question,
            "agents": encode_text(claim.agents),
            "tags": encode_text(claim.tags),
            "claimed_at": claim.at,
            "opened_at": None,
            "kept_at": None,
            "ends_at": None,
            "size_bytes": 0,
        }
        async with self._database.writing("claiming a question") as connection:
            if instead_of is None:
                new = insert_into(self._database, decision_entries).values(values)
                return _one(await connection.execute(new.on_conflict_do_nothing(index_elements=["key"])))
            there = (_E.key == claim.keys.exact, _E.debate_id == instead_of)
            return _one(await connection.execute(update(decision_entries).where(*there).values(values)))

    async def release(self, key: str, debate_id: str) -> None:
        """Give a question back for which this debate was not opened, or is not kept."""
        async with self._database.writing("releasing a question") as connection:
            await connection.execute(
                delete(decision_entries).where(_E.key == key, _E.debate_id == debate_id, _E.kept_at.is_(None))
            )

    async def opened(self, key: str, debate_id: str, at: float) -> None:
        """The debate that a question was claimed for is there."""
        async with self._database.writing("claiming a question") as connection:
            there = update(decision_entries).where(_E.key == key, _E.debate_id == debate_id)
            await connection.execute(there.values(opened_at=at))

    async def keep(self, entry: Entry, *, now: float, ends_at: float, bounds: Bounds) -> int | None:
        """Give the decision of an entry's debate again until `ends_at`; makes room for it. Returns how many entries
        went for that; None where the entry is not there any more."""
        there = (_E.key == entry.key, _E.debate_id == entry.debate_id)
        values = {"kept_at": now, "ends_at": ends_at, "size_bytes": entry.size_bytes}
        async with self._database.writing("keeping a decision") as connection:
            await _alone(connection)
            kept = update(decision_entries).where(*there).values(values)
            if not _one(await connection.execute(kept)):
                return None
            return await _make_room(connection, bounds, now)

    async def ended(self, limit: int) -> Sequence[Entry]:
        """Entries that are not kept and whose debate has ended, or was never opened, the oldest first."""
        over = tuple(status.value for status in DebateStatus if status.ended)
        query = _FOUND.order_by(None).where(
            _E.kept_at.is_(None), or_(debates.c.status.in_(over), debates.c.status.is_(None))
        )
        rows = await self._database.rows(query.order_by(_E.claimed_at).limit(limit), "reading kept decisions")
        return [_entry(row) for row in rows]

    async def forget_stale(self, now: float) -> int:
        """Delete entries whose time is over, of earlier policies, and claims that nobody followed up; returns how many
        there were."""
        async with self._database.writing("forgetting kept decisions") as connection:
            await _alone(connection)
            return await _forget_stale(connection, now)

    async def invalidate_workspace(self, workspace: str, org_id: str | None = None) -> int:
        """Delete the entries of a workspace, of every organisation unless one is named; returns how many decisions were
        kept."""
        meant: list[ColumnElement[bool]] = [_E.workspace == workspace]
        if org_id is not None:
            meant.append(_E.org_id == org_id)
        async with self._database.writing("invalidating kept decisions") as connection:
            await _alone(connection)
            return await _counted_and_deleted(connection, *meant)

    async def invalidate_agent(self, agent: str, version: str) -> int:
        """Delete the entries in which this version of an agent took part (`aragora.decisions.agent_versions`); returns
        how many decisions were kept."""
        return await self._invalidate(_E.agents, lambda text: used(decode_as(text, dict[str, str]), agent, version))

    async def invalidate_tag(self, tag: str) -> int:
        """Delete the entries with a tag; returns how many decisions were kept."""
        return await self._invalidate(_E.tags, lambda text: tag in decode_as(text, list[str]))

    async def set_policy(self, version: str) -> Policy:
        """From now on this policy is in force: all entries from before are stale. The version that is in force already
        changes nothing."""
        async with self._database.writing("setting the policy of decisions") as connection:
            # The row is held from here on: two that set a policy at once count one after the other.
            new = insert_into(self._database, decision_policy).values(one=1, version=FIRST_POLICY, generation=0)
            await connection.execute(
                new.on_conflict_do_update(index_elements=["one"], set_={"version": decision_policy.c.version})
            )
            before = Policy(*(await connection.execute(_POLICY)).one())
            if before.version == version:
                return before
            after = Policy(version, before.generation + 1)
            await connection.execute(update(decision_policy).values(version=after.version, generation=after.generation))
            return after

    async def sizes(self, now: float) -> Mapping[tuple[str, str], int]:
        """How many decisions are kept and not stale by their time or policy, by organisation and workspace."""
        policy = await self.policy()
        query = select(_E.org_id, _E.workspace, func.count()).where(
            _E.kept_at.is_not(None), _E.ends_at > now, _E.policy == policy.generation
        )
        rows = await self._database.rows(query.group_by(_E.org_id, _E.workspace), "counting kept decisions")
        return {(row[0], row[1]): row[2] for row in rows}

    async def _invalidate(self, column: Any, meant: Callable[[str], bool]) -> int:
        async with self._database.writing("invalidating kept decisions") as connection:
            await _alone(connection)
            # Many entries have the same agents and tags: what they are is judged once.
            found = [row[0] for row in await connection.execute(select(column).distinct()) if meant(row[0])]
            parts = (found[start : start + _PART] for start in range(0, len(found), _PART))
            return sum([await _counted_and_deleted(connection, column.in_(part)) for part in parts])


async def _alone(connection: AsyncConnection) -> None:
    """Let nobody else keep or delete many entries until this transaction ends: what another one keeps would not be
    counted, and two that delete in different orders would wait for each other. On SQLite that is so anyway."""
    if connection.dialect.name == "postgresql":
        await connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended("kept decisions", 0))))


async def _make_room(connection: AsyncConnection, bounds: Bounds, now: float) -> int:
    """Delete entries, stale ones first, then the oldest, until the rest is within the bounds; returns how many were
    not stale."""
    if await _excess(connection, bounds) == (0, 0):
        return 0
    await _forget_stale(connection, now)
    too_many, too_large = await _excess(connection, bounds)
    gone: list[str] = []
    while too_many > 0 or too_large > 0:
        query = select(_E.key, _E.size_bytes).where(_E.kept_at.is_not(None)).order_by(_E.kept_at, _E.key)
        oldest = (await connection.execute(query.offset(len(gone)).limit(_PART))).all()
        if not oldest:
            break
        for key, size in oldest:
            if too_many <= 0 and too_large <= 0:
                break
            gone.append(key)
            too_many, too_large = too_many - 1, too_large - size
    await _delete(connection, gone)
    return len(gone)


async def _excess(connection: AsyncConnection, bounds: Bounds) -> tuple[int, int]:
    """By how many entries and bytes what is kept is over its bounds."""
    query = select(func.count(), func.coalesce(func.sum(_E.size_bytes), literal(0, Integer)))
    count, size = (await connection.execute(query.where(_E.kept_at.is_not(None)))).one()
    return max(0, count - bounds.entries_max), max(0, int(size) - bounds.bytes_max)


async def _forget_stale(connection: AsyncConnection, now: float) -> int:
    policy = (await connection.execute(_POLICY)).first()
    generation = 0 if policy is None else policy.generation
    over = tuple(status.value for status in DebateStatus if status.ended)
    there = select(debates.c.debate_id).where(debates.c.debate_id == _E.debate_id)
    running = there.where(debates.c.status.not_in(over)).exists()
    lost = _E.kept_at.is_(None) & (_E.claimed_at < now - CLAIM_S) & ~there.exists()
    stale = or_(_E.ends_at <= now, (_E.policy != generation) & ~running & (_E.claimed_at < now - CLAIM_S), lost)
    return int((await connection.execute(delete(decision_entries).where(stale))).rowcount)


async def _counted_and_deleted(connection: AsyncConnection, *meant: ColumnElement[bool]) -> int:
    """Delete these entries; returns how many decisions were kept. Whoever claims a question between the count and the
    deletion has nothing to be counted."""
    kept = select(func.count()).select_from(decision_entries).where(*meant, _E.kept_at.is_not(None))
    count = int((await connection.execute(kept)).scalar_one())
    await connection.execute(delete(decision_entries).where(*meant))
    return count


async def _delete(connection: AsyncConnection, keys: Sequence[str]) -> None:
    for start in range(0, len(keys), _PART):
        await connection.execute(delete(decision_entries).where(_E.key.in_(keys[start : start + _PART])))


def _one(result: Any) -> bool:
    return bool(result.rowcount == 1)


def _entry(row: Sequence[Any]) -> Entry:
    key, debate_id, question, policy, knowledge, claimed_at, opened_at, *of_debate = row
    kept_at, ends_at, status, decision, cost_usd, issued_at, document = of_debate
    return Entry(
        key=key,
        debate_id=debate_id,
        question=question,
        standing=Standing(policy, knowledge),
        claimed_at=claimed_at,
        opened_at=opened_at,
        kept_at=kept_at,
        ends_at=ends_at,
        status=_status(status),
        decision=decision,
        cost_usd=cost_usd or 0.0,
        decided_at=issued_at,
        receipt=document,
    )


def _status(stored: str | None) -> DebateStatus | None:
    """A status that this version does not know is that of a debate whose decision is not given again."""
    if stored is None:
        return None
    try:
        return DebateStatus(stored)
    except ValueError:
        return DebateStatus.FAILED
