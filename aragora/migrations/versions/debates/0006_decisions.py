"""Decisions that are given again: their entries, the policy in force, and the requests that have a key.

Going back drops them all: questions are then debated anew.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "decision_entries",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("near_key", sa.Text, nullable=False),
        sa.Column("org_id", sa.Text, nullable=False),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("policy", sa.Integer, nullable=False),
        sa.Column("knowledge", sa.Text, nullable=False),
        sa.Column("debate_id", sa.Text, nullable=False),
        sa.Column("question", sa.Text, nullable=False),
        sa.Column("agents", sa.Text, nullable=False),
        sa.Column("tags", sa.Text, nullable=False),
        sa.Column("claimed_at", sa.Double, nullable=False),
        sa.Column("opened_at", sa.Double),
        sa.Column("kept_at", sa.Double),
        sa.Column("ends_at", sa.Double),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    is_open = sa.text("kept_at IS NULL")
    op.create_index("decision_entries_near", "decision_entries", ["near_key"])
    op.create_index("decision_entries_by_workspace", "decision_entries", ["workspace", "org_id"])
    op.create_index(
        "decision_entries_open", "decision_entries", ["claimed_at"], sqlite_where=is_open, postgresql_where=is_open
    )
    op.create_table(
        "decision_policy",
        sa.Column("one", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("one"),
    )
    op.create_table(
        "decision_requests",
        sa.Column("org_id", sa.Text, nullable=False),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("request_hash", sa.Text, nullable=False),
        sa.Column("debate_id", sa.Text, nullable=False),
        sa.Column("cached", sa.Integer, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("org_id", "workspace", "person", "key"),
    )
    op.create_index("ix_decision_requests_at", "decision_requests", ["at"])


def downgrade() -> None:
    op.drop_table("decision_requests")
    op.drop_table("decision_policy")
    op.drop_table("decision_entries")
