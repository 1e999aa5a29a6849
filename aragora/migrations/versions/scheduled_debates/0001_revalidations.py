"""Decisions that are debated again, and what of each day's budget that takes.

Going back drops both: what is due is found anew, and a debate that was opened stands in the store of debates.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    table = "revalidations"
    op.create_table(
        table,
        sa.Column("revalidation_id", sa.Text, primary_key=True),
        sa.Column("org_id", sa.Text, nullable=False),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("question", sa.Text, nullable=False),
        sa.Column("item_id", sa.Text, nullable=False),
        sa.Column("settled_by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("since", sa.Double, nullable=False),
        sa.Column("asked", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("found_at", sa.Double, nullable=False),
        sa.Column("changed_at", sa.Double, nullable=False),
        sa.Column("not_before", sa.Double, nullable=False),
        sa.Column("day", sa.Text, nullable=False),
        sa.Column("held_micros", sa.BigInteger, nullable=False),
        sa.Column("debate_id", sa.Text, nullable=False),
        sa.Column("result", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
    )
    op.create_index("ux_revalidations_question", table, ["org_id", "workspace", "question"], unique=True)
    op.create_index("ix_revalidations_state", table, ["state", "changed_at"])
    op.create_table(
        "revalidation_days",
        sa.Column("day", sa.Text, primary_key=True),
        sa.Column("debates", sa.Integer, nullable=False),
        sa.Column("micros", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("revalidation_days")
    op.drop_table("revalidations")
