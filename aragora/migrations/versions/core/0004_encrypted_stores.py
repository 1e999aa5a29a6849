"""Which stores were encrypted whole, so that plaintext in them is refused."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "encrypted_stores",
        sa.Column("store", sa.Text, nullable=False),
        sa.Column("policy", sa.Integer, nullable=False),
        sa.Column("since", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("store"),
    )


def downgrade() -> None:
    op.drop_table("encrypted_stores")
