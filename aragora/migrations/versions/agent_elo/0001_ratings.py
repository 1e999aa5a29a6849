"""Ratings of agents."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "ratings",
        sa.Column("agent", sa.Text, nullable=False),
        sa.Column("domain", sa.Text, nullable=False),
        sa.Column("elo", sa.Double, nullable=False),
        sa.Column("debates", sa.Integer, nullable=False),
        sa.Column("wins", sa.Double, nullable=False),
        sa.Column("forecasts", sa.Integer, nullable=False),
        sa.Column("squared_error", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("agent", "domain"),
    )
    op.create_index("ratings_best", "ratings", ["domain", "elo"])
    op.create_table(
        "ratings_applied",
        sa.Column("outbox_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("outbox_id"),
    )


def downgrade() -> None:
    op.drop_table("ratings_applied")
    op.drop_table("ratings")
