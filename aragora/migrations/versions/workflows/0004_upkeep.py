"""Executions whose time of keeping is over, approvals that wait, and requests for new workflows that come twice.

Going back drops the list of executions whose journals are still to be deleted: run the server until it is empty first.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_ENDED = sa.text("ended_at IS NOT NULL")
_PENDING = sa.text("status = 'pending'")
_KEY = ["org_id", "workspace", "created_by", "idempotency_key"]


def upgrade() -> None:
    op.create_table(
        "workflow_purged",
        sa.Column("execution_id", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("execution_id"),
    )
    op.create_index(
        "workflow_executions_ended",
        "workflow_executions",
        ["ended_at", "execution_id"],
        sqlite_where=_ENDED,
        postgresql_where=_ENDED,
    )
    op.create_index(
        "ix_workflow_approvals_pending",
        "workflow_approvals",
        ["opened_at"],
        sqlite_where=_PENDING,
        postgresql_where=_PENDING,
    )
    op.add_column("workflows", sa.Column("idempotency_key", sa.Text))
    op.add_column("workflows", sa.Column("request_hash", sa.Text))
    op.create_index("workflows_idempotency", "workflows", _KEY, unique=True)


def downgrade() -> None:
    op.drop_index("workflows_idempotency", "workflows")
    with op.batch_alter_table("workflows") as workflows:
        workflows.drop_column("request_hash")
        workflows.drop_column("idempotency_key")
    op.drop_index("ix_workflow_approvals_pending", "workflow_approvals")
    op.drop_index("workflow_executions_ended", "workflow_executions")
    op.drop_table("workflow_purged")
