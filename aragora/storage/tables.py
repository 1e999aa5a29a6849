"""The tables as SQLAlchemy Core sees them, by context. `aragora/migrations/versions` creates them; a test compares.

Times are seconds since the epoch. JSON is kept as the text it arrived in. Names are unique over all contexts: in
PostgreSQL they live in one database. Other chapters define their tables in modules of their own on this METADATA.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Double, Index, Integer, MetaData, Table, Text

from aragora.storage.contexts import Context

METADATA: Final[dict[Context, MetaData]] = {context: MetaData() for context in Context}

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

process_counters = Table(  # like `counters`, for what is counted outside the journal; all that is counted is both
    "process_counters",
    METADATA[Context.CORE],
    Column("sample", Text, primary_key=True),
    Column("labels", Text, primary_key=True),
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("value", Double, nullable=False),
)


ephemeral = Table(
    "ephemeral",
    METADATA[Context.USERS],
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Column("ends_at", Double, nullable=False),
    Index("ix_ephemeral_ends", "ends_at"),
)


def document_table(name: str, context: Context) -> Table:
    """Documents with encrypted fields. `version` grows with every write: what compare-and-swap compares."""
    return Table(
        name,
        METADATA[context],
        Column("record_id", Text, primary_key=True),
        Column("org_id", Text, nullable=False),
        Column("owner", Text, nullable=False),
        Column("kind", Text, nullable=False),
        Column("payload", Text, nullable=False),  # JSON: object
        Column("version", BigInteger, nullable=False),
        Column("created_at", Double, nullable=False),
        Column("updated_at", Double, nullable=False),
        Index(f"ix_{name}_owner", "org_id", "owner", "kind"),
    )
