"""A group of units about tasks as one SQLite transaction, below SQLAlchemy as the journal is (docs/adr/0007)."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from aragora.control_plane.model import Task
from aragora.control_plane.store.claiming import AgentPlace, Place, claims_of, enough, glimpse, most_of, searches
from aragora.control_plane.store.open_counts import OpenCounts
from aragora.control_plane.store.rows import (
    AGENT,
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
from aragora.encoding import encode_text
from aragora.storage.contexts import Location
from aragora.storage.sqlite_transactions import SqliteTransactions

_TASK: Final = ", ".join(TASK)


def _inserting(table: str, columns: Sequence[str]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608


# A list of ids travels as one JSON text, so that the statement is the same for any number of them.
NAMED: Final = f"SELECT {_TASK} FROM control_tasks WHERE task_id IN (SELECT value FROM json_each(?))"  # noqa: S608
KEYED: Final = (
    f"SELECT {_TASK}, request_hash FROM control_tasks "  # noqa: S608
    "WHERE org_id = ? AND workspace = ? AND created_by = ? AND idempotency_key = ?"
)
LAPSED: Final = (
    f"SELECT {_TASK} FROM control_tasks WHERE state = 'claimed' AND lease_until <= ? ORDER BY lease_until LIMIT ?"  # noqa: S608
)
LATE: Final = (
    f"SELECT {_TASK} FROM control_tasks WHERE state = 'queued' AND deadline IS NOT NULL AND deadline <= ? "  # noqa: S608
    "ORDER BY deadline LIMIT ?"
)
# Without statistics SQLite would read a workspace's ended tasks too: the index that has only what waits is named.
WANTED: Final = (
    "SELECT DISTINCT capabilities FROM control_tasks INDEXED BY control_tasks_queued "
    "WHERE org_id = ? AND workspace = ? AND state = 'queued'"
)
GLIMPSE: Final = (
    "SELECT capabilities FROM control_tasks INDEXED BY control_tasks_queued "
    "WHERE org_id = ? AND workspace = ? AND state = 'queued' AND due_at <= ? AND (deadline IS NULL OR deadline > ?) "
    "ORDER BY urgency, created_at, task_id LIMIT ?"
)
QUEUED: Final = (
    f"SELECT {_TASK} FROM control_tasks INDEXED BY control_tasks_queued "  # noqa: S608
    "WHERE org_id = ? AND workspace = ? AND state = 'queued' AND due_at <= ? AND (deadline IS NULL OR deadline > ?) "
    "AND capabilities IN (SELECT value FROM json_each(?)) ORDER BY urgency, created_at, task_id LIMIT ?"
)
OPEN: Final = "SELECT count(*) FROM control_tasks WHERE org_id = ? AND ended_at IS NULL"
CAPABILITIES: Final = (
    f"SELECT {', '.join(AGENT[:4])} FROM control_agents WHERE org_id = ? AND workspace = ? AND agent_id = ?"  # noqa: S608
)
TASKS: Final = _inserting("control_tasks", (*TASK, *BESIDES))
CHANGE: Final = f"UPDATE control_tasks SET {', '.join(f'{name} = ?' for name in CHANGED)} WHERE task_id = ?"  # noqa: S608
ATTEMPTS: Final = _inserting("control_attempts", ATTEMPT)
OUTBOX: Final = "INSERT INTO outbox (outbox_id, topic, debate_id, payload, created_at) VALUES (?, ?, ?, ?, ?)"


class SqliteTasks:
    """Writes groups to the SQLite file of a location. `told`: each attempt that is over has a row in the outbox."""

    def __init__(self, location: Location, *, told: bool) -> None:
        self._transactions = SqliteTransactions(location, "tasks")
        self._told = told
        self._opened = OpenCounts()

    async def write(self, units: Sequence[Unit]) -> list[Outcome]:
        """One transaction for all units; returns when it is on disk.

        Raises:
            Unavailable: disk full, I/O error or locked for too long: nothing was written.
            Exception: a statement was refused for what one of the units holds: nothing was written.
        """
        return await self._transactions.run(partial(_write, units, opened=self._opened, told=self._told))

    async def aclose(self) -> None:
        await self._transactions.aclose()


def _write(units: Sequence[Unit], connection: sqlite3.Connection, opened: OpenCounts, *, told: bool) -> list[Outcome]:
    tasks = _named(connection, task_ids(units))
    agents = _agents(connection, agent_places(units, tasks))
    at = tidies_at(units)
    if at is not None:
        tasks |= _found(connection.execute(LAPSED, (at, TIDIED_AT_ONCE)))
        tasks |= _found(connection.execute(LATE, (at, TIDIED_AT_ONCE)))
    for place, claims in claims_of(units).items():
        tasks |= _free(connection, place, claims, agents, most_of(place, claims, tasks))
    keys = _keys(connection, key_places(units))
    if unknown := opened.unknown(units):
        counts = {org: connection.execute(OPEN, (org,)).fetchone()[0] for org in unknown}
        opened.counted(counts, max(unit.now for unit in units))
    outcomes, writes = resolve(units, Held(tasks, keys, agents, opened.most), told=told)
    opened.submitted(writes.new.values())
    _write_all(connection, writes)
    return outcomes


def _free(
    connection: sqlite3.Connection,
    place: Place,
    claims: Sequence[Claim],
    agents: Mapping[AgentPlace, tuple[str, ...]],
    most: int,
) -> dict[str, Task]:
    """The tasks that claims may get."""
    now = max(claim.now for claim in claims)
    texts = [row[0] for row in connection.execute(GLIMPSE, (*place, now, now, glimpse(most))).fetchall()]
    if not enough(claims, agents, texts, most):
        texts = [row[0] for row in connection.execute(WANTED, place).fetchall()]
    found: dict[str, Task] = {}
    for fitting in searches(claims, agents, texts):
        found |= _found(connection.execute(QUEUED, (*place, now, now, encode_text(fitting), most)))
    return found


def _found(rows: sqlite3.Cursor) -> dict[str, Task]:
    return {row[0]: task_of(row) for row in rows.fetchall()}


def _named(connection: sqlite3.Connection, ids: Sequence[str]) -> dict[str, Task]:
    return _found(connection.execute(NAMED, (encode_text(ids),))) if ids else {}


def _agents(connection: sqlite3.Connection, places: Sequence[AgentPlace]) -> dict[AgentPlace, tuple[str, ...]]:
    rows = [row for place in places for row in connection.execute(CAPABILITIES, place).fetchall()]
    return {(row[0], row[1], row[2]): capabilities_of(row[3]) for row in rows}


def _keys(connection: sqlite3.Connection, places: Sequence[KeyPlace]) -> dict[KeyPlace, tuple[Task, str]]:
    found: dict[KeyPlace, tuple[Task, str]] = {}
    for place in places:
        row: tuple[Any, ...] | None = connection.execute(KEYED, place).fetchone()
        if row is not None:
            found[place] = task_of(row), row[-1]
    return found


def _write_all(connection: sqlite3.Connection, writes: Writes) -> None:
    if writes.new:
        connection.executemany(TASKS, rows_of_new(writes))
    if writes.changed:
        connection.executemany(CHANGE, [(*row[1:], row[0]) for row in rows_of_changed(writes)])
    if writes.attempts:
        connection.executemany(ATTEMPTS, map(values_of_attempt, writes.attempts))
    if writes.outbox:
        rows = [(row.outbox_id, row.topic, row.debate_id, row.payload, row.created_at) for row in writes.outbox]
        connection.executemany(OUTBOX, rows)
