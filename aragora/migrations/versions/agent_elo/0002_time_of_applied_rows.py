"""When an outbox row was applied, so that rows which cannot come again are forgotten. Older rows have no time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("ratings_applied", sa.Column("applied_at", sa.Double))
    op.create_index("ix_ratings_applied_at", "ratings_applied", ["applied_at"])


def downgrade() -> None:
    op.drop_index("ix_ratings_applied_at", "ratings_applied")
    op.drop_column("ratings_applied", "applied_at")
