"""Insights that workspaces share with others, and which of them each is given.

Going back drops them: they were shared by people, and nothing else has them.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    table = "knowledge_insights"
    op.create_table(
        table,
        sa.Column("share_id", sa.Text, nullable=False),
        sa.Column("org_id", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("task_type", sa.Text, nullable=False),
        sa.Column("confidence", sa.Double, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("shared_by", sa.Text, nullable=False),
        sa.Column("shared_at", sa.Double, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("share_id"),
    )
    op.create_index("ix_knowledge_insights_source", table, ["org_id", "source", "shared_at", "share_id"])
    table = "knowledge_insight_targets"
    op.create_table(
        table,
        sa.Column("share_id", sa.Text, nullable=False),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("org_id", sa.Text, nullable=False),
        sa.Column("task_type", sa.Text, nullable=False),
        sa.Column("confidence", sa.Double, nullable=False),
        sa.Column("shared_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("share_id", "workspace"),
    )
    op.create_index("ix_knowledge_insight_targets_given", table, ["org_id", "workspace", "shared_at", "share_id"])
    op.create_index(
        "ix_knowledge_insight_targets_type", table, ["org_id", "workspace", "task_type", "shared_at", "share_id"]
    )


def downgrade() -> None:
    op.drop_table("knowledge_insight_targets")
    op.drop_table("knowledge_insights")
