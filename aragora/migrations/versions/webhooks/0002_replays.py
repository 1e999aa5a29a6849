"""Replays: what was asked for, how far it is, and what came of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_TABLE = "webhook_replays"


def upgrade() -> None:
    op.create_table(
        _TABLE,
        sa.Column("replay_id", sa.Text, nullable=False),
        sa.Column("org_id", sa.Text, nullable=False),
        sa.Column("webhook_id", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("wish", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("matching", sa.Integer, nullable=False),
        sa.Column("more", sa.Boolean, nullable=False),
        sa.Column("position", sa.Text, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("made", sa.Integer, nullable=False),
        sa.Column("revived", sa.Integer, nullable=False),
        sa.Column("skipped", sa.Integer, nullable=False),
        sa.Column("ended_at", sa.Double),
        sa.Column("idempotency_key", sa.Text),
        sa.Column("request_hash", sa.Text),
        sa.PrimaryKeyConstraint("replay_id"),
        sa.UniqueConstraint("org_id", "created_by", "idempotency_key", name="webhook_replays_idempotency"),
    )
    op.create_index("ix_webhook_replays_list", _TABLE, ["org_id", "webhook_id", "created_at", "replay_id"])
    op.create_index("ix_webhook_replays_ended", _TABLE, ["ended_at"])
    running = sa.text("status = 'running'")
    op.create_index(
        "ix_webhook_replays_running",
        _TABLE,
        ["org_id", "replay_id"],
        sqlite_where=running,
        postgresql_where=running,
    )


def downgrade() -> None:
    op.drop_table(_TABLE)
