"""The tables of executions, their journals and what waits for them (context `workflows`)."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, Table, Text, UniqueConstraint, text

from aragora.storage.contexts import Context
from aragora.storage.tables import METADATA

ACTIVE: Final = text("active")
UNCLEARED: Final = text("NOT cleared")
"""Queries ask in these words: SQLite takes a partial index only for the condition that it was made with."""

_DUE: Final = text("due_at IS NOT NULL")
_OPEN: Final = text("ended_at IS NULL")
_ENDED: Final = text("ended_at IS NOT NULL")

workflow_executions = Table(
    "workflow_executions",
    METADATA[Context.WORKFLOWS],
    Column("execution_id", Text, primary_key=True),
    Column("org_id", Text, nullable=False),
    Column("workflow_id", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("started_by", Text, nullable=False),
    Column("started_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("workspace", Text, nullable=False),
    Column("last_seq", Integer, nullable=False),  # the fence: a commit goes on from here or not at all
    Column("ended_at", Double),
    Column("parent", Text, nullable=False),
    Column("parent_ask", Text, nullable=False),
    Column("depth", Integer, nullable=False),
    Column("cost_micros", BigInteger, nullable=False),
    Column("code", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("outputs", Text),  # JSON
    Column("receipt_id", Text),
    Column("due_at", Double),  # the next moment at which time alone does something
    Column("active", Boolean, nullable=False),  # loaded at start
    Column("idempotency_key", Text),
    Column("request_hash", Text),
    UniqueConstraint("org_id", "workspace", "started_by", "idempotency_key", name="workflow_executions_idempotency"),
    Index("workflow_executions_newest", "org_id", "workspace", "started_at", "execution_id"),
    Index("workflow_executions_by_org", "org_id", "started_at", "execution_id"),
    Index("workflow_executions_by_status", "org_id", "workspace", "status", "started_at", "execution_id"),
    Index("workflow_executions_by_workflow", "workflow_id", "started_at", "execution_id"),
    Index("workflow_executions_due", "due_at", "execution_id", sqlite_where=_DUE, postgresql_where=_DUE),
    Index("workflow_executions_active", "execution_id", sqlite_where=ACTIVE, postgresql_where=ACTIVE),
    Index("workflow_executions_open", "workflow_id", "status", sqlite_where=_OPEN, postgresql_where=_OPEN),
    Index("workflow_executions_ended", "ended_at", "execution_id", sqlite_where=_ENDED, postgresql_where=_ENDED),
)

workflow_journal = Table(
    "workflow_journal",
    METADATA[Context.WORKFLOWS],
    Column("execution_id", Text, primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("type", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("at", Double, nullable=False),
)

workflow_inbox = Table(  # messages to executions whose runner did not take them at once
    "workflow_inbox",
    METADATA[Context.WORKFLOWS],
    Column("message_id", Text, primary_key=True),
    Column("execution_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Index("workflow_inbox_oldest", "created_at", "message_id"),
    Index("workflow_inbox_of", "execution_id", "created_at", "message_id"),
)

workflow_owner = Table(  # one row: who may write executions, by the epoch that it took
    "workflow_owner",
    METADATA[Context.WORKFLOWS],
    Column("one", Integer, primary_key=True, autoincrement=False),  # always 1
    Column("epoch", Integer, nullable=False),
)

workflow_purged = Table(  # executions that were deleted, and the receipt of the last end of each, which stays
    "workflow_purged",
    METADATA[Context.WORKFLOWS],
    Column("execution_id", Text, primary_key=True),
    Column("org_id", Text, nullable=False),
    Column("workspace", Text, nullable=False),
    Column("receipt_id", Text),
    Column("at", Double, nullable=False),
    Column("cleared", Boolean, nullable=False),  # its journal and its approvals are gone too
    Index("workflow_purged_uncleared", "execution_id", sqlite_where=UNCLEARED, postgresql_where=UNCLEARED),
)
