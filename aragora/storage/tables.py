"""The tables as SQLAlchemy Core sees them, by context. `aragora/migrations/versions` creates them; a test compares.

Times are seconds since the epoch. JSON is kept as the text it arrived in. Names are unique over all contexts: in
PostgreSQL they live in one database. Other chapters define their tables in modules of their own on this METADATA.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Double, Index, Integer, MetaData, Table, Text, UniqueConstraint

from aragora.storage.contexts import Context

METADATA: Final[dict[Context, MetaData]] = {context: MetaData() for context in Context}

debates = Table(
    "debates",
    METADATA[Context.DEBATES],
    Column("debate_id", Text, primary_key=True),
    Column("question", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("spec", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("org_id", Text, nullable=False),
    Column("rounds", Integer, nullable=False),
    Column("decision", Text),
    Column("reason", Text),
    Column("cost_usd", Double, nullable=False),
    Column("receipt_id", Text),
    Column("last_seq", Integer, nullable=False),  # the fence: a commit goes on from here or not at all
    Column("idempotency_key", Text),
    Column("request_hash", Text),
    UniqueConstraint("org_id", "idempotency_key", name="debates_idempotency"),
    Index("debates_newest", "created_at", "debate_id"),
    Index("debates_by_org", "org_id", "created_at", "debate_id"),
    Index("debates_by_status", "status", "created_at", "debate_id"),
)

journal = Table(
    "journal",
    METADATA[Context.DEBATES],
    Column("debate_id", Text, primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("type", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("at", Double, nullable=False),
)

receipts = Table(
    "receipts",
    METADATA[Context.DEBATES],
    Column("receipt_id", Text, primary_key=True),
    Column("debate_id", Text, nullable=False, unique=True),
    Column("position", BigInteger, nullable=False, unique=True),
    Column("hash", Text, nullable=False),
    Column("previous_hash", Text, nullable=False),
    Column("document", Text, nullable=False),
    Column("issued_at", Double, nullable=False, index=True),
)

receipt_chain = Table(  # one row: the head, which outlives the receipts that retention deletes
    "receipt_chain",
    METADATA[Context.DEBATES],
    Column("chain", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, nullable=False),
    Column("hash", Text, nullable=False),
)

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

shard_epochs = Table(  # grows with every start of a coordinator shard: the newest start owns the shard
    "shard_epochs",
    METADATA[Context.DEBATES],
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("epoch", BigInteger, nullable=False),
)

process_counters = Table(  # like `counters`, for what is counted outside the journal; all that is counted is both
    "process_counters",
    METADATA[Context.CORE],
    Column("sample", Text, primary_key=True),
    Column("labels", Text, primary_key=True),
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("value", Double, nullable=False),
)

breakers = Table(
    "breakers",
    METADATA[Context.CORE],
    Column("agent", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("consecutive_failures", Integer, nullable=False),
    Column("opened_at", Double),
    Column("retry_at", Double),
    Column("last_error", Text),
    Column("updated_at", Double, nullable=False),
)

ratings = Table(
    "ratings",
    METADATA[Context.ELO],
    Column("agent", Text, primary_key=True),
    Column("domain", Text, primary_key=True),  # empty: overall
    Column("elo", Double, nullable=False),
    Column("debates", Integer, nullable=False),
    Column("wins", Double, nullable=False),
    Column("forecasts", Integer, nullable=False),
    Column("squared_error", Double, nullable=False),
    Index("ratings_best", "domain", "elo"),
)

ratings_applied = Table(  # outbox rows already rated: what comes twice counts once
    "ratings_applied",
    METADATA[Context.ELO],
    Column("outbox_id", Text, primary_key=True),
)

usage = Table(
    "usage",
    METADATA[Context.USAGE],
    Column("day", Text, primary_key=True),  # UTC, YYYY-MM-DD
    Column("org_id", Text, primary_key=True),
    Column("user_id", Text, primary_key=True),
    Column("agent", Text, primary_key=True),
    Column("provider", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("debates", Integer, nullable=False),
    Column("answers", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cost_usd", Double, nullable=False),
    Column("latency_s", Double, nullable=False),
)

usage_applied = Table(
    "usage_applied",
    METADATA[Context.USAGE],
    Column("outbox_id", Text, primary_key=True),
)
