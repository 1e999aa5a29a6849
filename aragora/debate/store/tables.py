"""The tables of debates, their journals and receipts (context `debates`)."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Double, Index, Integer, Table, Text, UniqueConstraint, text

from aragora.debate.records import OF_DEBATE
from aragora.scope import DEFAULT_WORKSPACE
from aragora.storage.contexts import Context
from aragora.storage.tables import METADATA

_OTHERS: Final = text(f"kind <> '{OF_DEBATE}'")

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
    Column("workspace", Text, nullable=False, server_default=DEFAULT_WORKSPACE),
    Column("rounds", Integer, nullable=False),
    Column("decision", Text),
    Column("reason", Text),
    Column("cost_usd", Double, nullable=False),
    Column("receipt_id", Text),
    Column("last_seq", Integer, nullable=False),  # the fence: a commit goes on from here or not at all
    Column("idempotency_key", Text),
    Column("request_hash", Text),
    Column("budget_month", Text),  # YYYY-MM, UTC: the month in whose accounts the debate counts
    Column("held_micros", BigInteger, nullable=False, server_default="0"),
    UniqueConstraint("org_id", "workspace", "created_by", "idempotency_key", name="debates_idempotency"),
    Index("debates_newest", "created_at", "debate_id"),
    Index("debates_by_org", "org_id", "created_at", "debate_id"),
    Index("debates_by_workspace", "org_id", "workspace", "created_at", "debate_id"),
    Index("debates_by_status", "status", "created_at", "debate_id"),
)

accounts = Table(  # what debates of a month have spent and hold, in micro-dollars (`aragora.debate.budget`)
    "accounts",
    METADATA[Context.DEBATES],
    Column("account", Text, primary_key=True),  # an organisation; empty: the installation
    Column("month", Text, primary_key=True),
    Column("spent", BigInteger, nullable=False),
    Column("held", BigInteger, nullable=False),
)

budget_limits = Table(  # what an operator set for single organisations; NULL: no limit
    "budget_limits",
    METADATA[Context.DEBATES],
    Column("org_id", Text, primary_key=True),
    Column("micros", BigInteger),
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
    Column("kind", Text, nullable=False, server_default=OF_DEBATE),
    Index("receipts_of_other_kinds", "kind", "position", sqlite_where=_OTHERS, postgresql_where=_OTHERS),
)

receipt_chain = Table(  # one row: the head, which outlives the receipts that retention deletes
    "receipt_chain",
    METADATA[Context.DEBATES],
    Column("chain", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, nullable=False),
    Column("hash", Text, nullable=False),
)

shard_epochs = Table(  # grows with every start of a coordinator shard: the newest start owns the shard
    "shard_epochs",
    METADATA[Context.DEBATES],
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("epoch", BigInteger, nullable=False),
)
