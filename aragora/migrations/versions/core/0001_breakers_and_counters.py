"""Circuit breakers, and the counters of processes without a journal."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "breakers",
        sa.Column("agent", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("consecutive_failures", sa.Integer, nullable=False),
        sa.Column("opened_at", sa.Double),
        sa.Column("retry_at", sa.Double),
        sa.Column("last_error", sa.Text),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("agent"),
    )
    op.create_table(
        "process_counters",
        sa.Column("sample", sa.Text, nullable=False),
        sa.Column("labels", sa.Text, nullable=False),
        sa.Column("shard", sa.Integer, nullable=False),
        sa.Column("value", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("sample", "labels", "shard"),
    )


def downgrade() -> None:
    op.drop_table("process_counters")
    op.drop_table("breakers")
