"""What agents' votes foretold of debates whose outcome is known, and how far outcomes were read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "agent_forecasts",
        sa.Column("agent", sa.Text, nullable=False),
        sa.Column("domain", sa.Text, nullable=False),
        sa.Column("debate_id", sa.Text, nullable=False),
        sa.Column("squared_nanos", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("agent", "domain", "debate_id"),
    )
    op.create_index("ix_agent_forecasts_debate", "agent_forecasts", ["debate_id"])
    op.create_table(
        "outcomes_read",
        sa.Column("one", sa.Integer, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("one"),
    )


def downgrade() -> None:
    op.drop_table("outcomes_read")
    op.drop_table("agent_forecasts")
    op.execute("UPDATE ratings SET forecasts = 0, squared_error = 0")
