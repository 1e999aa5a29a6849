"""The contexts of the store, where each is kept, and how its SQLite file is opened. Knows no driver.

A context is a SQLite file of its own, or its tables in the one PostgreSQL database.
"""

from __future__ import annotations

import getpass
import re
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from aragora.config.settings import Settings

POSTGRES_PORT: Final = 5432
SESSION_PREFIX: Final = "aragora-"  # of the names that our sessions have in PostgreSQL
_HOST: Final = re.compile(r"(\[[^\]]*\]|[^:]*)(?::(.*))?")  # a name, an address or an IPv6 address in brackets; a port
UNHURRIED_S: Final = 86_400.0
SQLITE_POOL_MAX: Final = 4  # each connection is a thread; more of them only wait for each other


class Context(StrEnum):
    """The value is the file's name without `.db`. No transaction spans two contexts."""

    CORE = "core"
    USERS = "users"
    DEBATES = "debates"
    MEMORY = "aragora_memory"
    ELO = "agent_elo"
    USAGE = "usage"
    SCHEDULE = "scheduled_debates"
    WEBHOOKS = "webhooks"
    WORKFLOWS = "workflows"


@dataclass(frozen=True, slots=True)
class Location:
    """Where a context is kept: `path` of the SQLite file, or `dsn` of the PostgreSQL database (holds a password)."""

    context: Context
    path: Path | None
    dsn: str | None = field(default=None, repr=False)
    pool_size: int = 10
    timeout_s: float = 30.0

    @classmethod
    def of(cls, settings: Settings, context: Context) -> Location:
        """Where the settings place a context."""
        url = settings.database_url
        if context is Context.MEMORY and settings.knowledge_mound_database_url is not None:
            url = settings.knowledge_mound_database_url
        return cls(
            context=context,
            path=settings.data_dir / f"{context}.db" if url is None else None,
            dsn=None if url is None else plain_dsn(url.get_secret_value()),
            pool_size=settings.db_pool_size,
            timeout_s=settings.db_pool_timeout,
        )

    def unhurried(self) -> Location:
        """The same place, for statements on PostgreSQL that may take hours: those of a migration. On SQLite the timeout
        bounds the wait for a lock, and stays."""
        return self if self.dsn is None else replace(self, timeout_s=UNHURRIED_S)

    @property
    def more_pragmas(self) -> tuple[str, ...]:
        """What connections to this context's SQLite file set besides: what is forgotten is written over at once."""
        return ("PRAGMA secure_delete=ON",) if self.context is Context.MEMORY else ()

    @property
    def server(self) -> str:
        """Where PostgreSQL listens: `host:port`, several with commas between them, or the directory of its socket."""
        parts = urlsplit(self.dsn or "")
        directory = parse_qs(parts.query).get("host", [""])[0]
        return directory or ",".join(map(_with_port, parts.netloc.rpartition("@")[2].split(",")))

    @property
    def role(self) -> str:
        """The role that logs in to PostgreSQL."""
        return unquote(urlsplit(self.dsn or "").username or getpass.getuser())

    @property
    def database(self) -> str:
        """The name of the PostgreSQL database."""
        return unquote(urlsplit(self.dsn or "").path.lstrip("/")) or self.role

    def __str__(self) -> str:
        """For people: the file, or role, server and database; never a password."""
        return (
            f"SQLite in {self.path}"
            if self.path
            else f"PostgreSQL, database {self.database} at {self.server} as {self.role}"
        )


def _with_port(host: str) -> str:
    named = _HOST.match(host)
    name, port = named.groups() if named else (host, None)
    return f"{name or 'localhost'}:{port or POSTGRES_PORT}"


def store_of(settings: Settings) -> str:
    """For people: which store the settings mean."""
    if settings.database_url is None:
        return f"SQLite in {settings.data_dir.absolute()}"
    return str(Location.of(settings, Context.CORE))


def plain_dsn(url: str) -> str:
    """The URL as asyncpg takes it, without SQLAlchemy's driver suffix."""
    return "postgresql://" + url.split("://", 1)[1]


def sqlite_pragmas(timeout_s: float) -> tuple[str, ...]:
    """What every connection to a SQLite file sets first; `timeout_s` bounds the wait for a lock."""
    return (
        f"PRAGMA busy_timeout={int(timeout_s * 1000)}",
        "PRAGMA journal_mode=WAL",
        "PRAGMA synchronous=FULL",
        "PRAGMA foreign_keys=ON",
        "PRAGMA journal_size_limit=67108864",  # bytes: the WAL of a burst does not stay on disk
    )
