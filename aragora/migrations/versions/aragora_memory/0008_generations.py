"""Generations of what may be found, by which answers of searches are kept; and which embedder searches go by.

Going back drops both: answers that are kept elsewhere end by themselves within minutes.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "knowledge_generations",
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("scope"),
    )
    op.create_table(
        "knowledge_embedder",
        sa.Column("one", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("embedder_id", sa.Text, nullable=False),
        sa.Column("since", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("one"),
    )
    op.execute(  # the one that most vectors are of
        "INSERT INTO knowledge_embedder (one, embedder_id, since) "
        "SELECT 1, embedder_id, 0 FROM knowledge_vectors GROUP BY embedder_id ORDER BY count(*) DESC LIMIT 1"
    )
    begins = sa.text("valid_from IS NOT NULL")
    op.create_index(
        "ix_knowledge_items_begins",
        "knowledge_items",
        ["org_id", "valid_from"],
        sqlite_where=begins,
        postgresql_where=begins,
    )


def downgrade() -> None:
    op.drop_index("ix_knowledge_items_begins", "knowledge_items")
    op.drop_table("knowledge_embedder")
    op.drop_table("knowledge_generations")
