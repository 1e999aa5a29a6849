"""Approvals are in the context `workflows`. Nothing ever wrote to their table here, so no program misses it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_TABLE = "approval_requests"


def upgrade() -> None:
    op.drop_table(_TABLE)


def downgrade() -> None:
    op.create_table(
        _TABLE,
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("org_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("requested_by", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double),
        sa.Column("resolved_at", sa.Double),
        sa.Column("resolved_by", sa.Text),
        sa.Column("comment", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("request_id"),
    )
    op.create_index("ix_approval_requests_org", _TABLE, ["org_id", "status", "created_at", "request_id"])
