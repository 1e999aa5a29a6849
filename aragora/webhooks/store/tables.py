"""The tables of the context `webhooks`. A delivery waits exactly as long as it has no `ended_at`: that column alone is
what the index of waiting deliveries is about, so a query for them needs no list of statuses."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    and_,
    column,
    literal_column,
)

from aragora.storage.contexts import Context
from aragora.storage.tables import METADATA

_METADATA: Final = METADATA[Context.WEBHOOKS]

IS_DEAD: Final = column("status") == literal_column("'DEAD_LETTERED'")
"""Of deliveries. A constant and no parameter: SQLite takes a partial index only where it sees that it holds."""

IS_REFUSING: Final = column("breaker") != literal_column("'closed'")
"""Of targets: the breaker is not closed."""

webhook_endpoints = Table(
    "webhook_endpoints",
    _METADATA,
    Column("endpoint_id", Text, primary_key=True),
    Column("org_id", Text, nullable=False),
    Column("url_hash", Text, nullable=False),  # of organisation, URL and events: two of them would send all twice
    Column("status", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("events", Text, nullable=False),  # JSON: array, sorted
    Column("matching", Text, nullable=False),  # JSON: object of arrays
    Column("payload", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("document", Text, nullable=False),  # JSON: the rest of the endpoint in an envelope
    Index("ux_webhook_endpoints_url", "org_id", "url_hash", unique=True),
    Index("ix_webhook_endpoints_org", "org_id", "endpoint_id"),
    Index("ix_webhook_endpoints_status", "status"),
)

webhook_events = Table(
    "webhook_events",
    _METADATA,
    Column("event_id", Text, primary_key=True),
    Column("org_id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("debate_id", Text),
    Column("seq", Integer),
    Index("ix_webhook_events_created", "created_at", "event_id"),
)

webhook_deliveries = Table(
    "webhook_deliveries",
    _METADATA,
    Column("delivery_id", Text, primary_key=True),
    Column("event_id", Text, nullable=False),
    Column("org_id", Text, nullable=False),
    Column("webhook_id", Text, nullable=False),
    Column("target_id", Text, nullable=False),
    Column("event_type", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("budget_at", Double, nullable=False),
    Column("budget_from", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("throttled", Integer, nullable=False),
    Column("last_error", Text),
    Column("last_code", Integer),
    Column("ended_at", Double),
    Column("direct", Text),  # JSON: an envelope
    Column("holder", Text),
    # The status stands before the time, so that counts and lists of one status need no other index; a list of all
    # statuses merges six of them.
    Index("ix_webhook_deliveries_list", "org_id", "webhook_id", "status", "created_at", "delivery_id"),
    Index("ix_webhook_deliveries_event", "event_id"),
)

_waits: Final = webhook_deliveries.c.ended_at.is_(None)
_of = webhook_deliveries.c


def _partial(name: str, condition: object, *columns: Column[object]) -> None:
    Index(name, *columns, sqlite_where=condition, postgresql_where=condition)


_partial("ix_webhook_deliveries_due", _waits, _of.due_at, _of.delivery_id, _of.status)  # the status: to count them
_partial("ix_webhook_deliveries_due_of", _waits, _of.target_id, _of.due_at, _of.delivery_id)
_partial("ix_webhook_deliveries_ended", _of.ended_at.is_not(None), _of.status, _of.ended_at)
_partial("ix_webhook_deliveries_dead", IS_DEAD, _of.org_id, _of.ended_at, _of.delivery_id)
_partial("ix_webhook_deliveries_direct", _of.direct.is_not(None), _of.delivery_id)
_partial(
    "ix_webhook_deliveries_held", and_(_waits, _of.holder.is_not(None)), _of.holder, _of.created_at, _of.delivery_id
)

webhook_attempts = Table(
    "webhook_attempts",
    _METADATA,
    Column("delivery_id", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("target_id", Text, nullable=False),  # of the delivery: its figures are read without it
    Column("started_at", Double, nullable=False),
    Column("duration_s", Double, nullable=False),
    Column("failure", Text),  # NULL: delivered
    Column("code", Integer),
    Column("told", Text, nullable=False),
    Column("text", Text),  # NULL: none, or purged
    Column("address", Text),
    Column("retry_after_s", Double),
    Index("ix_webhook_attempts_target", "target_id", "started_at", "failure", "duration_s"),
)
_partial(
    "ix_webhook_attempts_text",
    webhook_attempts.c.text.is_not(None),
    webhook_attempts.c.started_at,
    webhook_attempts.c.delivery_id,
)

webhook_targets = Table(
    "webhook_targets",
    _METADATA,
    Column("target_id", Text, primary_key=True),
    Column("breaker", Text, nullable=False),
    Column("consecutive_failures", Integer, nullable=False),
    Column("opened_at", Double),
    Column("retry_at", Double),
    Column("last_error", Text),
    Column("paused_until", Double),
    Column("failing_since", Double),
    Column("failures", Integer, nullable=False),
    Column("old_secret_first", Boolean, nullable=False),
)
_partial("ix_webhook_targets_refusing", IS_REFUSING, webhook_targets.c.breaker, webhook_targets.c.target_id)

webhook_owners = Table(
    "webhook_owners",
    _METADATA,
    Column("key", Text, primary_key=True),
    Column("epoch", Integer, nullable=False),
    Column("owner", Text, nullable=False),
    Column("until", Double),  # NULL: no lease runs
)

IS_RUNNING: Final = column("status") == literal_column("'running'")
"""Of replays."""

webhook_replays = Table(
    "webhook_replays",
    _METADATA,
    Column("replay_id", Text, primary_key=True),
    Column("org_id", Text, nullable=False),
    Column("webhook_id", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("wish", Text, nullable=False),  # JSON: object
    Column("status", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("matching", Integer, nullable=False),
    Column("more", Boolean, nullable=False),
    Column("position", Text, nullable=False),  # JSON: object
    Column("revision", Integer, nullable=False),
    Column("made", Integer, nullable=False),
    Column("revived", Integer, nullable=False),
    Column("skipped", Integer, nullable=False),
    Column("ended_at", Double),  # NULL: it runs
    Column("idempotency_key", Text),
    Column("request_hash", Text),
    UniqueConstraint("org_id", "created_by", "idempotency_key", name="webhook_replays_idempotency"),
    Index("ix_webhook_replays_list", "org_id", "webhook_id", "created_at", "replay_id"),
    Index("ix_webhook_replays_ended", "ended_at"),
)
_partial("ix_webhook_replays_running", IS_RUNNING, webhook_replays.c.org_id, webhook_replays.c.replay_id)
