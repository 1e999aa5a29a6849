"""Endpoints, events, deliveries with their attempts, their targets, who owns what, and counters."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_TABLES = (
    *("webhook_endpoints", "webhook_events", "webhook_deliveries", "webhook_attempts"),
    *("webhook_targets", "webhook_owners", "webhook_counters"),
)


def upgrade() -> None:
    op.create_table(
        "webhook_endpoints",
        sa.Column("endpoint_id", sa.Text, nullable=False),
        sa.Column("org_id", sa.Text, nullable=False),
        sa.Column("url_hash", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("events", sa.Text, nullable=False),
        sa.Column("matching", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("endpoint_id"),
    )
    op.create_index("ux_webhook_endpoints_url", "webhook_endpoints", ["org_id", "url_hash"], unique=True)
    op.create_index("ix_webhook_endpoints_org", "webhook_endpoints", ["org_id", "endpoint_id"])
    op.create_index("ix_webhook_endpoints_status", "webhook_endpoints", ["status"])
    op.create_table(
        "webhook_events",
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("org_id", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("debate_id", sa.Text),
        sa.Column("seq", sa.Integer),
        sa.PrimaryKeyConstraint("event_id"),
    )
    op.create_index("ix_webhook_events_created", "webhook_events", ["created_at", "event_id"])
    _deliveries()
    _attempts()
    _targets()
    op.create_table(
        "webhook_owners",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("until", sa.Double),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "webhook_counters",
        sa.Column("sample", sa.Text, nullable=False),
        sa.Column("labels", sa.Text, nullable=False),
        sa.Column("shard", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("value", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("sample", "labels", "shard"),
    )


def _deliveries() -> None:
    table = "webhook_deliveries"
    op.create_table(
        table,
        sa.Column("delivery_id", sa.Text, nullable=False),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("org_id", sa.Text, nullable=False),
        sa.Column("webhook_id", sa.Text, nullable=False),
        sa.Column("target_id", sa.Text, nullable=False),
        sa.Column("event_type", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("due_at", sa.Double, nullable=False),
        sa.Column("budget_at", sa.Double, nullable=False),
        sa.Column("budget_from", sa.Integer, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("throttled", sa.Integer, nullable=False),
        sa.Column("last_error", sa.Text),
        sa.Column("last_code", sa.Integer),
        sa.Column("ended_at", sa.Double),
        sa.Column("direct", sa.Text),
        sa.Column("holder", sa.Text),
        sa.PrimaryKeyConstraint("delivery_id"),
    )
    listed = ["org_id", "webhook_id", "status", "created_at", "delivery_id"]
    op.create_index("ix_webhook_deliveries_list", table, listed)
    op.create_index("ix_webhook_deliveries_event", table, ["event_id"])
    _partial("ix_webhook_deliveries_due", table, ["due_at", "delivery_id", "status"], "ended_at IS NULL")
    _partial("ix_webhook_deliveries_due_of", table, ["target_id", "due_at", "delivery_id"], "ended_at IS NULL")
    _partial("ix_webhook_deliveries_ended", table, ["status", "ended_at"], "ended_at IS NOT NULL")
    _partial("ix_webhook_deliveries_dead", table, ["org_id", "ended_at", "delivery_id"], "status = 'DEAD_LETTERED'")
    _partial("ix_webhook_deliveries_direct", table, ["delivery_id"], "direct IS NOT NULL")
    held = "ended_at IS NULL AND holder IS NOT NULL"
    _partial("ix_webhook_deliveries_held", table, ["holder", "created_at", "delivery_id"], held)
    _vacuum_often(table)


def _attempts() -> None:
    table = "webhook_attempts"
    op.create_table(
        table,
        sa.Column("delivery_id", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("target_id", sa.Text, nullable=False),
        sa.Column("started_at", sa.Double, nullable=False),
        sa.Column("duration_s", sa.Double, nullable=False),
        sa.Column("failure", sa.Text),
        sa.Column("code", sa.Integer),
        sa.Column("told", sa.Text, nullable=False),
        sa.Column("text", sa.Text),
        sa.Column("address", sa.Text),
        sa.Column("retry_after_s", sa.Double),
        sa.PrimaryKeyConstraint("delivery_id", "number"),
    )
    op.create_index("ix_webhook_attempts_target", table, ["target_id", "started_at", "failure", "duration_s"])
    _partial("ix_webhook_attempts_text", table, ["started_at", "delivery_id"], "text IS NOT NULL")


def _targets() -> None:
    op.create_table(
        "webhook_targets",
        sa.Column("target_id", sa.Text, nullable=False),
        sa.Column("breaker", sa.Text, nullable=False),
        sa.Column("consecutive_failures", sa.Integer, nullable=False),
        sa.Column("opened_at", sa.Double),
        sa.Column("retry_at", sa.Double),
        sa.Column("last_error", sa.Text),
        sa.Column("paused_until", sa.Double),
        sa.Column("failing_since", sa.Double),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("old_secret_first", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("target_id"),
    )
    _partial("ix_webhook_targets_refusing", "webhook_targets", ["breaker", "target_id"], "breaker != 'closed'")


def _partial(name: str, table: str, columns: list[str], condition: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(condition), postgresql_where=sa.text(condition))


def _vacuum_often(table: str) -> None:
    """Every delivery leaves the indices of what waits when it ends. By default PostgreSQL clears these when a fifth of
    all rows has changed, which may be days of deliveries: the take-up would step over all that ended since."""
    if op.get_context().dialect.name == "postgresql":
        op.execute(
            f"ALTER TABLE {table} SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 5000)"
        )


def downgrade() -> None:
    for table in reversed(_TABLES):
        op.drop_table(table)
