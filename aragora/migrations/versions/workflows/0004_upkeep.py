"""Executions whose time of keeping is over, approvals that wait, and requests for new workflows that come twice.

Going back forgets which executions were deleted: their receipts stay in the chain, and no address leads to them.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_ENDED = sa.text("ended_at IS NOT NULL")
_PENDING = sa.text("status = 'pending'")
_UNCLEARED = sa.text("NOT cleared")
_KEY = ["org_id", "workspace", "created_by", "idempotency_key"]


def upgrade() -> None:
    op.create_table(
        "workflow_purged",
        sa.Column("execution_id", sa.Text, nullable=False),
        sa.Column("org_id", sa.Text, nullable=False),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("receipt_id", sa.Text),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("cleared", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("execution_id"),
    )
    _partial("workflow_purged_uncleared", "workflow_purged", ["execution_id"], _UNCLEARED)
    _partial("workflow_executions_ended", "workflow_executions", ["ended_at", "execution_id"], _ENDED)
    _partial("ix_workflow_approvals_pending", "workflow_approvals", ["opened_at"], _PENDING)
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


def _partial(name: str, table: str, columns: list[str], condition: sa.TextClause) -> None:
    op.create_index(name, table, columns, sqlite_where=condition, postgresql_where=condition)
