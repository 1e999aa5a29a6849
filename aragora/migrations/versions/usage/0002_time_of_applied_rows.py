"""When an outbox row was applied, so that rows which cannot come again are forgotten. Older rows have no time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("usage_applied", sa.Column("applied_at", sa.Double))
    op.create_index("ix_usage_applied_at", "usage_applied", ["applied_at"])


def downgrade() -> None:
    op.drop_index("ix_usage_applied_at", "usage_applied")
    op.drop_column("usage_applied", "applied_at")
