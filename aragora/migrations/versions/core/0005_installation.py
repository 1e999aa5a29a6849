"""What the nodes of an installation have in common: a challenge, and their answers to it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "installation",
        sa.Column("one", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("scheme", sa.Text, nullable=False),
        sa.Column("challenge", sa.Text, nullable=False),
        sa.Column("answers", sa.Text, nullable=False),
        sa.Column("shared", sa.Text, nullable=False),
        sa.Column("release", sa.Text, nullable=False),
        sa.Column("since", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("one"),
    )


def downgrade() -> None:
    op.drop_table("installation")
