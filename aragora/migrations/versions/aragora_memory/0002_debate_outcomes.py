"""Outcomes of debates: which answer held, every version, and what the agents' votes had foretold."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "debate_outcomes",
        sa.Column("debate_id", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("org_id", sa.Text, nullable=False),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("domain", sa.Text, nullable=False),
        sa.Column("newest", sa.Integer, nullable=False),
        sa.Column("held", sa.Text),
        sa.Column("agents", sa.Text, nullable=False),
        sa.Column("decision_right", sa.Integer, nullable=False),
        sa.Column("permille", sa.Integer),
        sa.Column("forecasts", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("recorded_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("debate_id", "version"),
        sa.UniqueConstraint("seq"),
    )
    op.create_index(
        "ix_debate_outcomes_curve", "debate_outcomes", ["org_id", "workspace", "domain", "newest", "permille"]
    )
    op.create_table(
        "outcome_forecasts",
        sa.Column("debate_id", sa.Text, nullable=False),
        sa.Column("agent", sa.Text, nullable=False),
        sa.Column("org_id", sa.Text, nullable=False),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("domain", sa.Text, nullable=False),
        sa.Column("squared_nanos", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("debate_id", "agent"),
    )
    op.create_index("ix_outcome_forecasts_of", "outcome_forecasts", ["org_id", "workspace", "domain", "agent"])
    op.create_table(
        "outcome_head",
        sa.Column("one", sa.Integer, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("one"),
    )


def downgrade() -> None:
    op.drop_table("outcome_head")
    op.drop_table("outcome_forecasts")
    op.drop_table("debate_outcomes")
