"""The tables of the inbox of approvals. What a list filters and sorts by are columns; the rest is the document."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Double, Index, Table, Text, text

from aragora.storage.contexts import Context
from aragora.storage.tables import METADATA

PENDING: Final = text("status = 'pending'")
"""A query asks for it in these words: SQLite takes a partial index only for the condition that it was made with."""

approvals: Final = Table(
    "workflow_approvals",
    METADATA[Context.WORKFLOWS],
    Column("approval_id", Text, primary_key=True),
    Column("org_id", Text, nullable=False),
    Column("workspace", Text, nullable=False),
    Column("workflow_id", Text, nullable=False),
    Column("execution_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("turn", Double, nullable=False),
    Column("opened_at", Double, nullable=False),
    Column("version", BigInteger, nullable=False),  # the seq of the event that it reflects
    Column("document", Text, nullable=False),  # JSON: ApprovalRecord without what is shown
    Column("shown", Text, nullable=False),  # JSON: object
    Index("ix_workflow_approvals_turn", "org_id", "turn", "opened_at", "approval_id"),
    Index("ix_workflow_approvals_workflow", "org_id", "workflow_id", "turn", "opened_at", "approval_id"),
    Index("ix_workflow_approvals_execution", "execution_id", "turn", "opened_at", "approval_id"),
    Index("ix_workflow_approvals_pending", "opened_at", sqlite_where=PENDING, postgresql_where=PENDING),
)

people: Final = Table(  # of those that wait
    "workflow_approval_people",
    METADATA[Context.WORKFLOWS],
    Column("approval_id", Text, primary_key=True),
    Column("part", Text, primary_key=True),  # asked: an approver, who is asked; past: a person, who is not any more
    Column("who", Text, primary_key=True),
    Column("org_id", Text, nullable=False),
    Column("turn", Double, nullable=False),
    Column("opened_at", Double, nullable=False),
    Index(
        "ix_workflow_approval_people_asked",
        "org_id",
        "who",
        "turn",
        "opened_at",
        "approval_id",
        sqlite_where=text("part = 'asked'"),
        postgresql_where=text("part = 'asked'"),
    ),
)
