"""Which cluster serves the database: of two on one database, one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "serving_cluster",
        sa.Column("one", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("head", sa.Text, nullable=False),
        sa.Column("since", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("one"),
    )


def downgrade() -> None:
    op.drop_table("serving_cluster")
