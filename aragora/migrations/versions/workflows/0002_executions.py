"""Executions with their journals, what waits for them, who owns them, and what follows from them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_EXECUTIONS = "workflow_executions"
_TABLES = (
    *(_EXECUTIONS, "workflow_journal", "workflow_inbox"),
    *("workflow_owner", "workflow_outbox", "workflow_counters"),
)


def upgrade() -> None:
    _executions()
    op.create_table(
        "workflow_journal",
        sa.Column("execution_id", sa.Text, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("execution_id", "seq"),
    )
    op.create_table(
        "workflow_inbox",
        sa.Column("message_id", sa.Text, nullable=False),
        sa.Column("execution_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("message_id"),
    )
    op.create_index("workflow_inbox_oldest", "workflow_inbox", ["created_at", "message_id"])
    op.create_index("workflow_inbox_of", "workflow_inbox", ["execution_id", "created_at", "message_id"])
    op.create_table(
        "workflow_owner",
        sa.Column("one", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("one"),
    )
    op.create_table(
        "workflow_outbox",
        sa.Column("outbox_id", sa.Text, nullable=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("execution_id", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("outbox_id"),
    )
    op.create_index("workflow_outbox_by_topic", "workflow_outbox", ["topic", "created_at", "outbox_id"])
    op.create_table(
        "workflow_counters",
        sa.Column("sample", sa.Text, nullable=False),
        sa.Column("labels", sa.Text, nullable=False),
        sa.Column("shard", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("value", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("sample", "labels", "shard"),
    )


def _executions() -> None:
    op.create_table(
        _EXECUTIONS,
        sa.Column("execution_id", sa.Text, nullable=False),
        sa.Column("org_id", sa.Text, nullable=False),
        sa.Column("workflow_id", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("started_by", sa.Text, nullable=False),
        sa.Column("started_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("last_seq", sa.Integer, nullable=False),
        sa.Column("ended_at", sa.Double),
        sa.Column("parent", sa.Text, nullable=False),
        sa.Column("parent_ask", sa.Text, nullable=False),
        sa.Column("depth", sa.Integer, nullable=False),
        sa.Column("cost_micros", sa.BigInteger, nullable=False),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("outputs", sa.Text),
        sa.Column("receipt_id", sa.Text),
        sa.Column("due_at", sa.Double),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("idempotency_key", sa.Text),
        sa.Column("request_hash", sa.Text),
        sa.PrimaryKeyConstraint("execution_id"),
        sa.UniqueConstraint(
            *("org_id", "workspace", "started_by", "idempotency_key"), name="workflow_executions_idempotency"
        ),
    )
    newest = ["started_at", "execution_id"]
    op.create_index("workflow_executions_newest", _EXECUTIONS, ["org_id", "workspace", *newest])
    op.create_index("workflow_executions_by_org", _EXECUTIONS, ["org_id", *newest])
    op.create_index("workflow_executions_by_status", _EXECUTIONS, ["org_id", "workspace", "status", *newest])
    op.create_index("workflow_executions_by_workflow", _EXECUTIONS, ["workflow_id", *newest])
    _partial("workflow_executions_due", ["due_at", "execution_id"], "due_at IS NOT NULL")
    _partial("workflow_executions_active", ["execution_id"], "active")
    _partial("workflow_executions_open", ["workflow_id", "status"], "ended_at IS NULL")
    _vacuum_often()


def _partial(name: str, columns: list[str], condition: str) -> None:
    op.create_index(name, _EXECUTIONS, columns, sqlite_where=sa.text(condition), postgresql_where=sa.text(condition))


def _vacuum_often() -> None:
    """Every step leaves dead entries in the indices of what is due and what is active. By default PostgreSQL clears
    these when a fifth of all rows has changed, those of ended executions counted: a look at what is due next would step
    over all of them."""
    if op.get_context().dialect.name == "postgresql":
        op.execute(
            f"ALTER TABLE {_EXECUTIONS} SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 5000)"
        )


def downgrade() -> None:
    for table in reversed(_TABLES):
        op.drop_table(table)
