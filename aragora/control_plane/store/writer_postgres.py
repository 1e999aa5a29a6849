"""A group of units about tasks as one PostgreSQL transaction of few statements, whatever the group's size. Below
SQLAlchemy as the journal is (docs/adr/0007).

The tasks that units name are locked first, in the order of their ids. What is claimed or tidied besides is passed over
where another group holds it, so that groups of several processes neither wait for each other's claims nor deadlock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import asyncpg

from aragora.control_plane.model import Task
from aragora.control_plane.store.claiming import AgentPlace, Place, claims_of, enough, glimpse, most_of, searches
from aragora.control_plane.store.open_counts import OpenCounts
from aragora.control_plane.store.rows import (
    ATTEMPT,
    BESIDES,
    CHANGED,
    TASK,
    capabilities_of,
    task_of,
    values_of_attempt,
)
from aragora.control_plane.store.units import Claim, Outcome, Unit
from aragora.control_plane.store.write_group import (
    TIDIED_AT_ONCE,
    Held,
    KeyPlace,
    Writes,
    agent_places,
    key_places,
    resolve,
    rows_of_changed,
    rows_of_new,
    task_ids,
    tidies_at,
)
from aragora.storage.contexts import Location
from aragora.storage.postgres_transactions import PostgresTransactions, columns_of

_TASK: Final = ", ".join(TASK)
_TYPES: Final = {
    **dict.fromkeys(("deadline", "created_at", "updated_at", "due_at", "claimed_at", "lease_until"), "float8"),
    **dict.fromkeys(("ended_at", "latency_ms", "cost_usd", "at"), "float8"),
    **dict.fromkeys(("urgency", "attempts_max", "attempts", "fence"), "int4"),
}


def _arrays(columns: Sequence[str], first: int = 1) -> str:
    """Parameters from `$first` on, an array for each column."""
    return ", ".join(f"${place}::{_TYPES.get(name, 'text')}[]" for place, name in enumerate(columns, first))


def _inserting(table: str, columns: Sequence[str], first: int) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) SELECT * FROM unnest({_arrays(columns, first)})"  # noqa: S608


# Each statement is a round trip in which the group holds its locks and all units behind it wait: so few are made. One
# that finds nothing costs little.
HELD: Final = (
    f"WITH named AS (SELECT {_TASK} FROM control_tasks WHERE task_id = ANY($1::text[]) ORDER BY task_id "  # noqa: S608
    "FOR NO KEY UPDATE), "
    f"lapsed AS (SELECT {_TASK} FROM control_tasks WHERE state = 'claimed' AND lease_until <= $2::float8 "
    "ORDER BY lease_until LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED), "
    f"late AS (SELECT {_TASK} FROM control_tasks WHERE state = 'queued' AND deadline IS NOT NULL "
    "AND deadline <= $2::float8 ORDER BY deadline LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED) "
    "SELECT * FROM named UNION ALL SELECT * FROM lapsed UNION ALL SELECT * FROM late"
)
"""The tasks that units name, and those that time alone changes: $2 is None where the group does not tidy."""
KEYED: Final = (
    f"SELECT {_TASK}, request_hash, idempotency_key FROM control_tasks "  # noqa: S608
    "WHERE (org_id, workspace, created_by, idempotency_key) IN "
    "(SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]))"
)
LAPSED: Final = (
    f"SELECT {_TASK} FROM control_tasks WHERE state = 'claimed' AND lease_until <= $1 "  # noqa: S608
    "ORDER BY lease_until LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED"
)
LATE: Final = (
    f"SELECT {_TASK} FROM control_tasks WHERE state = 'queued' AND deadline IS NOT NULL AND deadline <= $1 "  # noqa: S608
    "ORDER BY deadline LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED"
)
WANTED: Final = (
    "SELECT DISTINCT capabilities FROM control_tasks WHERE org_id = $1 AND workspace = $2 AND state = 'queued'"
)
GLIMPSE: Final = (
    "SELECT capabilities FROM control_tasks WHERE org_id = $1 AND workspace = $2 AND state = 'queued' AND due_at <= $3 "
    "AND (deadline IS NULL OR deadline > $3) ORDER BY urgency, created_at, task_id LIMIT $4"
)
QUEUED: Final = (
    f"SELECT {_TASK} FROM control_tasks WHERE org_id = $1 AND workspace = $2 AND state = 'queued' AND due_at <= $3 "  # noqa: S608
    "AND (deadline IS NULL OR deadline > $3) AND capabilities = ANY($4::text[]) "
    "ORDER BY urgency, created_at, task_id LIMIT $5 FOR NO KEY UPDATE SKIP LOCKED"
)
OPEN: Final = (
    "SELECT org_id, count(*) FROM control_tasks WHERE org_id = ANY($1::text[]) AND ended_at IS NULL GROUP BY org_id"
)
CAPABILITIES: Final = (
    "SELECT org_id, workspace, agent_id, capabilities FROM control_agents WHERE (org_id, workspace, agent_id) IN "
    "(SELECT * FROM unnest($1::text[], $2::text[], $3::text[]))"
)
_NEW: Final = (*TASK, *BESIDES)
_CHANGED: Final = ("task_id", *CHANGED)
_OUTBOX: Final = ("outbox_id", "topic", "debate_id", "payload", "created_at")
_OF_CHANGED: Final = 1 + len(_NEW)
_OF_ATTEMPTS: Final = _OF_CHANGED + len(_CHANGED)
WRITES: Final = (
    f"WITH new_tasks AS ({_inserting('control_tasks', _NEW, 1)}), "  # noqa: S608
    f"changes AS (UPDATE control_tasks SET {', '.join(f'{name} = new.{name}' for name in CHANGED)} "
    f"FROM unnest({_arrays(_CHANGED, _OF_CHANGED)}) AS new ({', '.join(_CHANGED)}) "
    "WHERE control_tasks.task_id = new.task_id), "
    f"attempts AS ({_inserting('control_attempts', ATTEMPT, _OF_ATTEMPTS)}) "
    f"{_inserting('outbox', _OUTBOX, _OF_ATTEMPTS + len(ATTEMPT))}"
)
"""All that a group writes. No task is both new and changed, so the order of the four does not matter."""


IN_ORDER: Final = {"enable_sort": "off", "enable_seqscan": "off"}
"""Every statement has its index, in the order that it asks for. What waits changes a thousand times between two looks
of the statistics, and by those of an empty or a drained queue PostgreSQL reads all that waits, payloads too, and sorts
it: 49 ms for one claim where 9,000 tasks wait, and the first one in order takes 0.05."""


class PostgresTasks:
    """Writes groups over one connection of its own. `told`: each attempt that is over has a row in the outbox."""

    def __init__(self, location: Location, *, told: bool) -> None:
        self._transactions = PostgresTransactions(location, "tasks", **IN_ORDER)
        self._told = told
        self._opened = OpenCounts()

    async def write(self, units: Sequence[Unit]) -> list[Outcome]:
        """One transaction for all units; returns when it is committed.

        Raises:
            Unavailable: the database is away, full or too slow. Nothing was written, unless the connection broke in the
                middle of the commit.
            Exception: a statement was refused for what one of the units holds: nothing was written.
        """
        return await self._transactions.run(partial(self._write, units))

    async def aclose(self) -> None:
        await self._transactions.aclose()

    async def _write(self, units: Sequence[Unit], connection: asyncpg.Connection[Any]) -> list[Outcome]:
        ids, at = task_ids(units), tidies_at(units)
        read = bool(ids) or at is not None
        tasks = _found(await connection.fetch(HELD, ids, at, TIDIED_AT_ONCE) if read else ())
        agents = await _agents(connection, agent_places(units, tasks))
        for place, claims in claims_of(units).items():
            tasks |= await _free(connection, place, claims, agents, most_of(place, claims, tasks))
        keys = await _keys(connection, key_places(units))
        if unknown := self._opened.unknown(units):
            counts = {row[0]: row[1] for row in await connection.fetch(OPEN, unknown)}
            self._opened.counted({org: counts.get(org, 0) for org in unknown}, max(unit.now for unit in units))
        outcomes, writes = resolve(units, Held(tasks, keys, agents, self._opened.most), told=self._told)
        self._opened.submitted(writes.new.values())
        await _write_all(connection, writes)
        return outcomes


async def _free(
    connection: asyncpg.Connection[Any],
    place: Place,
    claims: Sequence[Claim],
    agents: Mapping[AgentPlace, tuple[str, ...]],
    most: int,
) -> dict[str, Task]:
    """The tasks that claims may get, locked."""
    now = max(claim.now for claim in claims)
    texts = [row[0] for row in await connection.fetch(GLIMPSE, *place, now, glimpse(most))]
    if enough(claims, agents, texts, most):
        found, short = await _queued(connection, place, now, searches(claims, agents, texts), most)
        if not short or len(texts) < glimpse(most):
            return found
        # Other groups hold some of these: the next ones in order may want what was not seen.
    texts = [row[0] for row in await connection.fetch(WANTED, *place)]
    found, _ = await _queued(connection, place, now, searches(claims, agents, texts), most)
    return found


async def _queued(
    connection: asyncpg.Connection[Any], place: Place, now: float, wanted: Sequence[Sequence[str]], most: int
) -> tuple[dict[str, Task], bool]:
    """The most urgent tasks of each kind that nobody else holds, and whether there were fewer than `most` of one."""
    each = [_found(await connection.fetch(QUEUED, *place, now, texts, most)) for texts in wanted]
    return {key: task for found in each for key, task in found.items()}, any(len(found) < most for found in each)


def _found(rows: Iterable[Any]) -> dict[str, Task]:
    return {row[0]: task_of(tuple(row)) for row in rows}


async def _agents(
    connection: asyncpg.Connection[Any], places: Sequence[AgentPlace]
) -> dict[AgentPlace, tuple[str, ...]]:
    rows = await connection.fetch(CAPABILITIES, *columns_of(places)) if places else ()
    return {(row[0], row[1], row[2]): capabilities_of(row[3]) for row in rows}


async def _keys(connection: asyncpg.Connection[Any], places: Sequence[KeyPlace]) -> dict[KeyPlace, tuple[Task, str]]:
    found: dict[KeyPlace, tuple[Task, str]] = {}
    for row in await connection.fetch(KEYED, *columns_of(places)) if places else ():
        task = task_of(tuple(row))
        found[task.org_id, task.workspace, task.created_by, row["idempotency_key"]] = task, row["request_hash"]
    return found


async def _write_all(connection: asyncpg.Connection[Any], writes: Writes) -> None:
    if not writes.new and not writes.changed:
        return
    outbox = [(row.outbox_id, row.topic, row.debate_id, row.payload, row.created_at) for row in writes.outbox]
    arrays = (
        *_filled(rows_of_new(writes), _NEW),
        *_filled(rows_of_changed(writes), _CHANGED),
        *_filled([values_of_attempt(one) for one in writes.attempts], ATTEMPT),
        *_filled(outbox, _OUTBOX),
    )
    await connection.execute(WRITES, *arrays)


def _filled(rows: Sequence[Sequence[object]], columns: Sequence[str]) -> list[list[object]]:
    """Rows as an array for each column, also where there is none."""
    return columns_of(rows) if rows else [[] for _ in columns]
