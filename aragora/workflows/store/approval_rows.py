"""Approvals written as rows, over a connection of the driver: within the transaction that journals what they reflect.

Below SQLAlchemy, as what writes journals is (docs/adr/0007). All values are parameters; the tables are those of
`aragora.workflows.store.approval_tables`. On PostgreSQL rows are locked in order of their ids.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from aragora.encoding import decode_as, encode_text
from aragora.storage.postgres_transactions import columns_of
from aragora.workflows.approvals import ApprovalRecord, newest

if TYPE_CHECKING:
    import asyncpg

_COLUMNS: Final = {
    "approval_id": "text",
    "org_id": "text",
    "workspace": "text",
    "workflow_id": "text",
    "execution_id": "text",
    "status": "text",
    "turn": "float8",
    "opened_at": "float8",
    "version": "int8",
    "document": "text",
    "shown": "text",
}
_KEPT: Final = (
    f"ON CONFLICT (approval_id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _COLUMNS)} "
    "WHERE excluded.version >= workflow_approvals.version"
)
_INTO: Final = f"INSERT INTO workflow_approvals ({', '.join(_COLUMNS)})"
_ARRAYS: Final = ", ".join(f"${place}::{kind}[]" for place, kind in enumerate(_COLUMNS.values(), 1))
PUT_SQLITE: Final = f"{_INTO} VALUES ({', '.join('?' * len(_COLUMNS))}) {_KEPT}"
PUT_POSTGRES: Final = f"{_INTO} SELECT * FROM unnest({_ARRAYS}) {_KEPT} RETURNING approval_id"  # noqa: S608  constant names
_PEOPLE: Final = "INSERT INTO workflow_approval_people (approval_id, part, who, org_id, turn, opened_at)"
PEOPLE_SQLITE: Final = f"{_PEOPLE} VALUES (?, ?, ?, ?, ?, ?)"
_PEOPLE_ARRAYS: Final = "$1::text[], $2::text[], $3::text[], $4::text[], $5::float8[], $6::float8[]"
PEOPLE_POSTGRES: Final = f"{_PEOPLE} SELECT * FROM unnest({_PEOPLE_ARRAYS})"  # noqa: S608  constant names
GONE_SQLITE: Final = "DELETE FROM workflow_approval_people WHERE approval_id = ?"
GONE_POSTGRES: Final = "DELETE FROM workflow_approval_people WHERE approval_id = ANY($1::text[])"


@dataclass(frozen=True, slots=True)
class ApprovalRows:
    """Records that are to be written in somebody's transaction. An older version than is there changes nothing."""

    records: Sequence[ApprovalRecord]

    def sqlite(self, connection: sqlite3.Connection) -> None:
        """Within the transaction of this connection. Raises NotEncodable for texts that hold half of a character."""
        put_sqlite(connection, self.records)

    async def postgres(self, connection: asyncpg.Connection[Any]) -> None:
        """As `sqlite`."""
        await put_postgres(connection, self.records)


def put_sqlite(connection: sqlite3.Connection, records: Sequence[ApprovalRecord]) -> None:
    """Write the records within the transaction of the connection, but for those of which a newer version is there.
    Raises NotEncodable for texts that hold half of a character."""
    rows = [(record, _row(record)) for record in newest(records)]
    for record, row in rows:
        if connection.execute(PUT_SQLITE, row).rowcount:
            connection.execute(GONE_SQLITE, (record.approval_id,))
            connection.executemany(PEOPLE_SQLITE, _people(record))


async def put_postgres(connection: asyncpg.Connection[Any], records: Sequence[ApprovalRecord]) -> None:
    """As `put_sqlite`, with three statements for all of them."""
    rows = [_row(record) for record in newest(records)]
    if not rows:
        return
    written = {row[0] for row in await connection.fetch(PUT_POSTGRES, *columns_of(rows))}
    found = [row for record in newest(records) if record.approval_id in written for row in _people(record)]
    await connection.execute(GONE_POSTGRES, sorted(written))
    if found:
        await connection.execute(PEOPLE_POSTGRES, *columns_of(found))


def document_of(record: ApprovalRecord) -> str:
    """A record as JSON, without what is shown. Raises NotEncodable."""
    return encode_text(replace(record, state=replace(record.state, shown={})))


def record_of(document: str, shown: str = "{}") -> ApprovalRecord:
    """A record again."""
    record = decode_as(document, ApprovalRecord)
    return replace(record, state=replace(record.state, shown=decode_as(shown, dict[str, str])))


def _row(record: ApprovalRecord) -> tuple[object, ...]:
    state, turn = record.state, record.turn
    place = (record.approval_id, record.org_id, record.workspace, record.workflow_id, state.execution_id)
    documents = (document_of(record), encode_text(state.shown))
    return (*place, state.status.value, turn.turn, turn.at, record.version, *documents)


def _people(record: ApprovalRecord) -> list[tuple[object, ...]]:
    turn = record.turn
    rows = [*(("asked", who) for who in record.asked), *(("past", who) for who in sorted(record.past))]
    return [(record.approval_id, part, who, record.org_id, turn.turn, turn.at) for part, who in rows]
