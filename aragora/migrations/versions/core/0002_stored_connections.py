"""Approval requests, connectors, integrations and mail tokens."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "approval_requests",
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
    op.create_index("ix_approval_requests_org", "approval_requests", ["org_id", "status", "created_at", "request_id"])
    op.create_table(
        "sync_connectors",
        sa.Column("record_id", sa.Text, nullable=False),
        sa.Column("org_id", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("record_id"),
    )
    op.create_index("ix_sync_connectors_owner", "sync_connectors", ["org_id", "owner", "kind"])
    op.create_table(
        "integrations",
        sa.Column("record_id", sa.Text, nullable=False),
        sa.Column("org_id", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("record_id"),
    )
    op.create_index("ix_integrations_owner", "integrations", ["org_id", "owner", "kind"])
    op.create_table(
        "gmail_tokens",
        sa.Column("record_id", sa.Text, nullable=False),
        sa.Column("org_id", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("record_id"),
    )
    op.create_index("ix_gmail_tokens_owner", "gmail_tokens", ["org_id", "owner", "kind"])


def downgrade() -> None:
    op.drop_table("gmail_tokens")
    op.drop_table("integrations")
    op.drop_table("sync_connectors")
    op.drop_table("approval_requests")
