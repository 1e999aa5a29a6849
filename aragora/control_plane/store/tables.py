"""The tables of the control plane. In the context `debates`: an attempt and its outbox row are one transaction."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Double, Index, Integer, Table, Text, UniqueConstraint, text

from aragora.storage.contexts import Context
from aragora.storage.tables import METADATA

_QUEUED: Final = text("state = 'queued'")
_CLAIMED: Final = text("state = 'claimed'")
_OPEN: Final = text("ended_at IS NULL")
_ENDED: Final = text("ended_at IS NOT NULL")
_LIMITED: Final = text("state = 'queued' AND deadline IS NOT NULL")

control_tasks = Table(
    "control_tasks",
    METADATA[Context.DEBATES],
    Column("task_id", Text, primary_key=True),
    Column("org_id", Text, nullable=False),
    Column("workspace", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("payload", Text, nullable=False),  # JSON
    Column("capabilities", Text, nullable=False),  # JSON: names in order
    Column("urgency", Integer, nullable=False),  # 9 minus the priority: what is less goes first
    Column("deadline", Double),
    Column("attempts_max", Integer, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("state", Text, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("fence", Integer, nullable=False),
    Column("agent_id", Text),
    Column("claimed_at", Double),
    Column("lease_until", Double),
    Column("ended_at", Double),
    Column("result", Text),  # JSON
    Column("error", Text),
    Column("latency_ms", Double),
    Column("cost_usd", Double, nullable=False),
    Column("idempotency_key", Text),
    Column("request_hash", Text),
    Column("serves", Text, nullable=False, server_default=""),  # EXECUTION/ASK of a workflow
    UniqueConstraint("org_id", "workspace", "created_by", "idempotency_key", name="control_tasks_idempotency"),
    Index("control_tasks_newest", "org_id", "workspace", "created_at", "task_id"),
    Index(  # all that a claim looks at
        "control_tasks_queued",
        *("org_id", "workspace", "urgency", "created_at", "task_id", "capabilities", "due_at", "deadline"),
        sqlite_where=_QUEUED,
        postgresql_where=_QUEUED,
    ),
    Index("control_tasks_held", "lease_until", sqlite_where=_CLAIMED, postgresql_where=_CLAIMED),
    Index("control_tasks_limited", "deadline", sqlite_where=_LIMITED, postgresql_where=_LIMITED),
    Index("control_tasks_open", "org_id", sqlite_where=_OPEN, postgresql_where=_OPEN),
    Index("control_tasks_ended", "ended_at", sqlite_where=_ENDED, postgresql_where=_ENDED),
)

control_attempts = Table(  # those that are over
    "control_attempts",
    METADATA[Context.DEBATES],
    Column("task_id", Text, primary_key=True),
    Column("fence", Integer, primary_key=True, autoincrement=False),
    Column("org_id", Text, nullable=False),
    Column("workspace", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("capabilities", Text, nullable=False),
    Column("agent_id", Text, nullable=False),
    Column("how", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("latency_ms", Double, nullable=False),
    Column("cost_usd", Double, nullable=False),
    Column("error", Text),
    Index("control_attempts_newest", "org_id", "workspace", "at"),
    Index("control_attempts_ended", "at"),
)

control_agents = Table(
    "control_agents",
    METADATA[Context.DEBATES],
    Column("org_id", Text, primary_key=True),
    Column("workspace", Text, primary_key=True),
    Column("agent_id", Text, primary_key=True),
    Column("capabilities", Text, nullable=False),  # JSON: names in order
    Column("registered_by", Text, nullable=False),
    Column("registered_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
)
