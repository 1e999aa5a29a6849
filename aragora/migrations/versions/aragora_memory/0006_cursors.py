"""How far the mound has followed the outcomes of debates, and whether an outcome is about the teller's own words.

Of outcomes that were told before, nobody knows the second: they count as others do.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "knowledge_cursors",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.add_column("debate_outcomes", sa.Column("own_words", sa.Integer, nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("debate_outcomes", "own_words")
    op.drop_table("knowledge_cursors")
