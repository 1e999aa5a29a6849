"""Requests to forget, and what is not learnt from any more.

Going back drops both: what was forgotten stays forgotten by its id, and whoever then learns from all journals anew
learns from forgotten debates, too.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "knowledge_barred",
        sa.Column("org_id", sa.Text, nullable=False),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("mark", sa.Text, nullable=False),
        sa.Column("until", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("org_id", "workspace", "mark"),
    )
    table = "knowledge_forgettings"
    op.create_table(
        table,
        sa.Column("forgetting_id", sa.Text, nullable=False),
        sa.Column("org_id", sa.Text, nullable=False),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("asked_by", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("certificate_id", sa.Text),
        sa.Column("idempotency_key", sa.Text),
        sa.Column("request_hash", sa.Text),
        sa.Column("at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("forgetting_id"),
    )
    key = ["org_id", "workspace", "asked_by", "idempotency_key"]
    op.create_index("ux_knowledge_forgettings_key", table, key, unique=True)
    op.create_index("ix_knowledge_forgettings_home", table, ["org_id", "workspace", "at", "forgetting_id"])
    unfinished = sa.text("status <> 'certified'")
    op.create_index(
        "ix_knowledge_forgettings_open", table, ["at"], sqlite_where=unfinished, postgresql_where=unfinished
    )


def downgrade() -> None:
    op.drop_table("knowledge_forgettings")
    op.drop_table("knowledge_barred")
