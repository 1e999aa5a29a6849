"""The tables of definitions: a row for each workflow, and one for each version of it, which never changes."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Double, Index, Integer, Table, Text, text

from aragora.storage.contexts import Context
from aragora.storage.tables import METADATA

_LISTED: Final = text("deleted_at IS NULL")

workflows = Table(
    "workflows",
    METADATA[Context.WORKFLOWS],
    Column("workflow_id", Text, primary_key=True),
    Column("org_id", Text, nullable=False),
    Column("workspace", Text, nullable=False),
    Column("version", Integer, nullable=False),  # the latest
    Column("name", Text, nullable=False),
    Column("folded", Text, nullable=False),  # the name as it is searched for
    Column("description", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("tags", Text, nullable=False),  # JSON: texts
    Column("digest", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("updated_by", Text, nullable=False),
    Column("deleted_at", Double),
    Column("idempotency_key", Text),
    Column("request_hash", Text),
    Index("workflows_idempotency", "org_id", "workspace", "created_by", "idempotency_key", unique=True),
    Index(
        "ix_workflows_list",
        *("org_id", "workspace", "created_at", "workflow_id"),
        sqlite_where=_LISTED,
        postgresql_where=_LISTED,
    ),
)

workflow_versions = Table(
    "workflow_versions",
    METADATA[Context.WORKFLOWS],
    Column("workflow_id", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("document", Text, nullable=False),  # canonical JSON
    Column("digest", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("created_by", Text, nullable=False),
)
