"""The tables of kept decisions. In the context `debates`: an entry is read together with its debate and receipt."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Double, Index, Integer, Table, Text, text

from aragora.storage.contexts import Context
from aragora.storage.tables import METADATA

_OPEN: Final = text("kept_at IS NULL")

decision_entries = Table(  # one a question: the debate that answers it
    "decision_entries",
    METADATA[Context.DEBATES],
    Column("key", Text, primary_key=True),
    Column("near_key", Text, nullable=False),
    Column("org_id", Text, nullable=False),
    Column("workspace", Text, nullable=False),
    Column("policy", Integer, nullable=False),  # the generation in which it was claimed
    Column("knowledge", Text, nullable=False),  # of the workspace in the domain, as it stood then
    Column("debate_id", Text, nullable=False),
    Column("question", Text, nullable=False),
    Column("agents", Text, nullable=False),  # JSON: models by name
    Column("tags", Text, nullable=False),  # JSON
    Column("claimed_at", Double, nullable=False),
    Column("opened_at", Double),  # when its debate was there
    Column("kept_at", Double),
    Column("ends_at", Double),
    Column("size_bytes", BigInteger, nullable=False),
    Index("decision_entries_near", "near_key"),
    Index("decision_entries_by_workspace", "workspace", "org_id"),
    Index("decision_entries_open", "claimed_at", sqlite_where=_OPEN, postgresql_where=_OPEN),
)

decision_policy = Table(  # one row: which policy is in force, and how many there were before it
    "decision_policy",
    METADATA[Context.DEBATES],
    Column("one", Integer, primary_key=True, autoincrement=False),  # always 1
    Column("version", Text, nullable=False),
    Column("generation", Integer, nullable=False),
)

decision_requests = Table(  # what a request with an Idempotency-Key was answered with
    "decision_requests",
    METADATA[Context.DEBATES],
    Column("org_id", Text, primary_key=True),
    Column("workspace", Text, primary_key=True),
    Column("person", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("request_hash", Text, nullable=False),
    Column("debate_id", Text, nullable=False),
    Column("cached", Integer, nullable=False),
    Column("at", Double, nullable=False, index=True),
)
