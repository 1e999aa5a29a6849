"""What adapters note of debates besides items.

Going back drops it: it follows from the journals, of which the adapters learn anew.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    table = "knowledge_observations"
    op.create_table(
        table,
        sa.Column("adapter", sa.Text, nullable=False),
        sa.Column("debate_id", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("org_id", sa.Text, nullable=False),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("adapter", "debate_id", "number"),
    )
    op.create_index("ix_knowledge_observations_key", table, ["org_id", "workspace", "adapter", "key", "at"])
    op.create_index("ix_knowledge_observations_debate", table, ["org_id", "workspace", "debate_id"])
    op.create_index("ix_knowledge_observations_person", table, ["org_id", "workspace", "person"])


def downgrade() -> None:
    op.drop_table("knowledge_observations")
