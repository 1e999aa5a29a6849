"""The inbox of approvals: what people are asked, and who."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_APPROVALS = "workflow_approvals"
_PEOPLE = "workflow_approval_people"


def upgrade() -> None:
    op.create_table(
        _APPROVALS,
        sa.Column("approval_id", sa.Text, nullable=False),
        sa.Column("org_id", sa.Text, nullable=False),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("workflow_id", sa.Text, nullable=False),
        sa.Column("execution_id", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("turn", sa.Double, nullable=False),
        sa.Column("opened_at", sa.Double, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("shown", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("approval_id"),
    )
    place = ["turn", "opened_at", "approval_id"]
    op.create_index("ix_workflow_approvals_turn", _APPROVALS, ["org_id", *place])
    op.create_index("ix_workflow_approvals_workflow", _APPROVALS, ["org_id", "workflow_id", *place])
    op.create_index("ix_workflow_approvals_execution", _APPROVALS, ["execution_id", *place])
    op.create_table(
        _PEOPLE,
        sa.Column("approval_id", sa.Text, nullable=False),
        sa.Column("part", sa.Text, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("org_id", sa.Text, nullable=False),
        sa.Column("turn", sa.Double, nullable=False),
        sa.Column("opened_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("approval_id", "part", "who"),
    )
    asked = sa.text("part = 'asked'")
    op.create_index(
        "ix_workflow_approval_people_asked",
        _PEOPLE,
        ["org_id", "who", *place],
        sqlite_where=asked,
        postgresql_where=asked,
    )


def downgrade() -> None:
    op.drop_table(_PEOPLE)
    op.drop_table(_APPROVALS)
