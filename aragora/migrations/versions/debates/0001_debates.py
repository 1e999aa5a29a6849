"""Debates, their journals, receipts and their chain, counters, the outbox and the epochs of shards."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "counters",
        sa.Column("sample", sa.Text, nullable=False),
        sa.Column("labels", sa.Text, nullable=False),
        sa.Column("shard", sa.Integer, nullable=False),
        sa.Column("value", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("sample", "labels", "shard"),
    )
    op.create_table(
        "debates",
        sa.Column("debate_id", sa.Text, nullable=False),
        sa.Column("question", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("spec", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("org_id", sa.Text, nullable=False),
        sa.Column("rounds", sa.Integer, nullable=False),
        sa.Column("decision", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("cost_usd", sa.Double, nullable=False),
        sa.Column("receipt_id", sa.Text),
        sa.Column("last_seq", sa.Integer, nullable=False),
        sa.Column("idempotency_key", sa.Text),
        sa.Column("request_hash", sa.Text),
        sa.PrimaryKeyConstraint("debate_id"),
        sa.UniqueConstraint("org_id", "idempotency_key", name="debates_idempotency"),
    )
    op.create_index("debates_by_org", "debates", ["org_id", "created_at", "debate_id"])
    op.create_index("debates_by_status", "debates", ["status", "created_at", "debate_id"])
    op.create_index("debates_newest", "debates", ["created_at", "debate_id"])
    op.create_table(
        "journal",
        sa.Column("debate_id", sa.Text, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("debate_id", "seq"),
    )
    op.create_table(
        "outbox",
        sa.Column("outbox_id", sa.Text, nullable=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("debate_id", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("outbox_id"),
    )
    op.create_index("outbox_by_topic", "outbox", ["topic", "created_at", "outbox_id"])
    op.create_table(
        "receipt_chain",
        sa.Column("chain", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("chain"),
    )
    op.execute(
        sa.text("INSERT INTO receipt_chain (chain, position, hash) VALUES (1, 0, :first)").bindparams(first="0" * 64)
    )
    op.create_table(
        "receipts",
        sa.Column("receipt_id", sa.Text, nullable=False),
        sa.Column("debate_id", sa.Text, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("previous_hash", sa.Text, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("issued_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("receipt_id"),
        sa.UniqueConstraint("debate_id"),
        sa.UniqueConstraint("position"),
    )
    op.create_index("ix_receipts_issued_at", "receipts", ["issued_at"])
    op.create_table(
        "shard_epochs",
        sa.Column("shard", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("shard"),
    )


def downgrade() -> None:
    op.drop_table("shard_epochs")
    op.drop_table("receipts")
    op.drop_table("receipt_chain")
    op.drop_table("outbox")
    op.drop_table("journal")
    op.drop_table("debates")
    op.drop_table("counters")
