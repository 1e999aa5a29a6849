"""The tables as SQLAlchemy Core sees them, by context, and the insert that differs between the two databases.

Times are seconds since the epoch. JSON is kept as the text it arrived in. Names are unique over all contexts: in
PostgreSQL they live in one database. Features declare their tables beside their stores, on this METADATA.
`aragora/migrations/versions` creates the tables; a test compares.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import Column, Double, Index, Integer, MetaData, Table, Text
from sqlalchemy.dialects.postgresql import insert as insert_postgresql
from sqlalchemy.dialects.sqlite import insert as insert_sqlite

from aragora.storage.contexts import Context

if TYPE_CHECKING:
    from sqlalchemy.dialects.postgresql import Insert as PostgresInsert
    from sqlalchemy.dialects.sqlite import Insert as SqliteInsert

    from aragora.storage.database import Database

METADATA: Final[dict[Context, MetaData]] = {context: MetaData() for context in Context}


def insert_into(database: Database, table: Table) -> SqliteInsert | PostgresInsert:
    """An insert that knows `on_conflict_do_nothing` and `on_conflict_do_update`: SQLAlchemy has these per dialect."""
    return insert_sqlite(table) if database.is_sqlite else insert_postgresql(table)


counters = Table(  # the value of a sample is the sum over its shards: writers do not wait for each other's rows
    "counters",
    METADATA[Context.DEBATES],
    Column("sample", Text, primary_key=True),
    Column("labels", Text, primary_key=True),
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("value", Double, nullable=False),
)

outbox = Table(
    "outbox",
    METADATA[Context.DEBATES],
    Column("outbox_id", Text, primary_key=True),
    Column("topic", Text, nullable=False),
    Column("debate_id", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Index("outbox_by_topic", "topic", "created_at", "outbox_id"),
)

process_counters = Table(  # like `counters`, for what is counted elsewhere; all that is counted is all of these
    "process_counters",
    METADATA[Context.CORE],
    Column("sample", Text, primary_key=True),
    Column("labels", Text, primary_key=True),
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("value", Double, nullable=False),
)

webhook_counters = Table(  # like `counters`, in the transaction of a delivery
    "webhook_counters",
    METADATA[Context.WEBHOOKS],
    Column("sample", Text, primary_key=True),
    Column("labels", Text, primary_key=True),
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("value", Double, nullable=False),
)

workflow_counters = Table(  # like `counters`, in the transaction of a step
    "workflow_counters",
    METADATA[Context.WORKFLOWS],
    Column("sample", Text, primary_key=True),
    Column("labels", Text, primary_key=True),
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("value", Double, nullable=False),
)

workflow_outbox = Table(  # like `outbox`; a row names its execution in place of a debate
    "workflow_outbox",
    METADATA[Context.WORKFLOWS],
    Column("outbox_id", Text, primary_key=True),
    Column("topic", Text, nullable=False),
    Column("execution_id", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Index("workflow_outbox_by_topic", "topic", "created_at", "outbox_id"),
)

encrypted_stores = Table(  # those in which no secret rests in plaintext any more
    "encrypted_stores",
    METADATA[Context.CORE],
    Column("store", Text, primary_key=True),
    Column("policy", Integer, nullable=False),  # of aragora.secrets.policy, as it was then
    Column("since", Double, nullable=False),
)

installation = Table(  # one row: by what the nodes of a cluster see that they have the same secrets
    "installation",
    METADATA[Context.CORE],
    Column("one", Integer, primary_key=True, autoincrement=False),  # always 1
    Column("scheme", Text, nullable=False),  # how the answers are made
    Column("challenge", Text, nullable=False),
    Column("answers", Text, nullable=False),
    Column("shared", Text, nullable=False),
    Column("release", Text, nullable=False),  # of the node that joined last
    Column("since", Double, nullable=False),
)

serving_cluster = Table(  # one row while a cluster serves: of two on one database, one
    "serving_cluster",
    METADATA[Context.CORE],
    Column("one", Integer, primary_key=True, autoincrement=False),  # always 1
    Column("head", Text, nullable=False),  # the address of its GCS, `host:port`
    Column("since", Double, nullable=False),
)

ephemeral = Table(
    "ephemeral",
    METADATA[Context.USERS],
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Column("ends_at", Double, nullable=False),
    Index("ix_ephemeral_ends", "ends_at"),
)
