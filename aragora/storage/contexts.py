"""The contexts of the store: each is a SQLite file of its own, or its tables in the one PostgreSQL database."""

from __future__ import annotations

from enum import StrEnum


class Context(StrEnum):
    """The value is the file's name without `.db`. No transaction spans two contexts."""

    CORE = "core"
    USERS = "users"
    DEBATES = "debates"
    MEMORY = "aragora_memory"
    ELO = "agent_elo"
    USAGE = "usage"
    SCHEDULE = "scheduled_debates"
