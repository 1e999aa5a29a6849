"""How far each adapter of the Knowledge Mound has come, and what its last round did."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "knowledge_adapters",
        sa.Column("adapter", sa.Text, nullable=False),
        sa.Column("cursor_at", sa.Double),
        sa.Column("synced_at", sa.Double, nullable=False),
        sa.Column("result", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("adapter"),
    )


def downgrade() -> None:
    op.drop_table("knowledge_adapters")
