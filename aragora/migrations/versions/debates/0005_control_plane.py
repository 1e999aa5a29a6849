"""Tasks of the control plane, the attempts at them, and the agents that take them.

Going back drops them all.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "control_tasks",
        sa.Column("task_id", sa.Text, primary_key=True),
        sa.Column("org_id", sa.Text, nullable=False),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("capabilities", sa.Text, nullable=False),
        sa.Column("urgency", sa.Integer, nullable=False),
        sa.Column("deadline", sa.Double),
        sa.Column("attempts_max", sa.Integer, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("due_at", sa.Double, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("fence", sa.Integer, nullable=False),
        sa.Column("agent_id", sa.Text),
        sa.Column("claimed_at", sa.Double),
        sa.Column("lease_until", sa.Double),
        sa.Column("ended_at", sa.Double),
        sa.Column("result", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("latency_ms", sa.Double),
        sa.Column("cost_usd", sa.Double, nullable=False),
        sa.Column("idempotency_key", sa.Text),
        sa.Column("request_hash", sa.Text),
        sa.UniqueConstraint("org_id", "workspace", "created_by", "idempotency_key", name="control_tasks_idempotency"),
    )
    op.create_index("control_tasks_newest", "control_tasks", ["org_id", "workspace", "created_at", "task_id"])
    queued = ["org_id", "workspace", "urgency", "created_at", "task_id", "capabilities", "due_at", "deadline"]
    _partial("control_tasks_queued", queued, "state = 'queued'")
    _partial("control_tasks_held", ["lease_until"], "state = 'claimed'")
    _partial("control_tasks_limited", ["deadline"], "state = 'queued' AND deadline IS NOT NULL")
    _partial("control_tasks_open", ["org_id"], "ended_at IS NULL")
    _partial("control_tasks_ended", ["ended_at"], "ended_at IS NOT NULL")
    op.create_table(
        "control_attempts",
        sa.Column("task_id", sa.Text, nullable=False),
        sa.Column("fence", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("org_id", sa.Text, nullable=False),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("capabilities", sa.Text, nullable=False),
        sa.Column("agent_id", sa.Text, nullable=False),
        sa.Column("how", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("latency_ms", sa.Double, nullable=False),
        sa.Column("cost_usd", sa.Double, nullable=False),
        sa.Column("error", sa.Text),
        sa.PrimaryKeyConstraint("task_id", "fence"),
    )
    op.create_index("control_attempts_newest", "control_attempts", ["org_id", "workspace", "at"])
    op.create_index("control_attempts_ended", "control_attempts", ["at"])
    op.create_table(
        "control_agents",
        sa.Column("org_id", sa.Text, nullable=False),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("agent_id", sa.Text, nullable=False),
        sa.Column("capabilities", sa.Text, nullable=False),
        sa.Column("registered_by", sa.Text, nullable=False),
        sa.Column("registered_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("org_id", "workspace", "agent_id"),
    )


def downgrade() -> None:
    op.drop_table("control_agents")
    op.drop_table("control_attempts")
    op.drop_table("control_tasks")


def _partial(name: str, columns: list[str], where: str) -> None:
    rows = sa.text(where)
    op.create_index(name, "control_tasks", columns, sqlite_where=rows, postgresql_where=rows)
