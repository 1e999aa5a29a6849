"""Why a store cannot be used, for the person who runs the server: what happened, where, and what to do.

At runtime a caller learns only that the store is away (`aragora.storage.failures`). The commands and the start of the
server speak to the operator, so they name host, database, role or file; never a password. PostgreSQL's causes are told
apart by SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html), SQLite's by their result codes.
"""

from __future__ import annotations

import socket
import sqlite3
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from aragora.errors import AragoraError, Misconfigured, Unavailable
from aragora.storage.contexts import Location
from aragora.storage.failures import RETRY_AFTER_S, driver_error, is_database_error, sqlstate
from aragora.storage.postgres import ConnectTimeout


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`lasting`: it stays until a person mends it; else it may pass, and trying again makes sense."""

    told: str
    mend: str
    lasting: bool

    def __str__(self) -> str:
        return f"{self.told}: {self.mend}"


@contextmanager
def diagnosed(location: Location) -> Iterator[None]:
    """A failing database inside the block becomes Misconfigured where a person must mend it, else Unavailable; either
    with a text that names the place."""
    try:
        yield
    except AragoraError:
        raise
    except Exception as error:
        if not is_database_error(error):
            raise
        found = diagnose(error, location)
        if found.lasting:
            raise Misconfigured(str(found)) from error
        raise Unavailable(str(found), code="storage_unavailable", retry_after_s=RETRY_AFTER_S) from error


def diagnose(error: BaseException, location: Location) -> Diagnosis:
    """What the failure of a database means."""
    cause = driver_error(error)
    return _of_postgres(cause, location) if location.path is None else _of_sqlite(cause, location)


_POSTGRES: Final[dict[str, Diagnosis]] = {
    **dict.fromkeys(
        ("28P01", "28000"),
        Diagnosis(
            "PostgreSQL at {server} refuses the role {role} or its password",
            "check user and password in DATABASE_URL, and pg_hba.conf of the server",
            lasting=True,
        ),
    ),
    "3D000": Diagnosis(
        "PostgreSQL at {server} has no database {database}",
        "create it (createdb -O {role} {database}), or name another in DATABASE_URL",
        lasting=True,
    ),
    **dict.fromkeys(
        ("42501", "3F000"),
        Diagnosis(
            "the role {role} has no right to create or use tables in the database {database} at {server}",
            "GRANT CREATE, USAGE ON SCHEMA public TO {role}, and make it the owner of Aragora's tables",
            lasting=True,
        ),
    ),
    "53300": Diagnosis(
        "PostgreSQL at {server} has no connection free",
        "raise max_connections there, or lower ARAGORA_DB_POOL_SIZE",
        lasting=False,
    ),
    "53100": Diagnosis("the disk of PostgreSQL at {server} is full", "make room there, then try again", lasting=False),
    **dict.fromkeys(
        ("57P01", "57P02", "57P03"),
        Diagnosis("PostgreSQL at {server} is starting or stopping", "try again in a moment", lasting=False),
    ),
}
"""Causes by SQLSTATE; the names in braces are properties of the location."""


def _of_postgres(cause: BaseException, location: Location) -> Diagnosis:
    state = sqlstate(cause)
    if state is None:
        return _of_network(cause, location.server)
    found = _POSTGRES.get(state)
    if found is None:
        told = f"PostgreSQL at {location.server} (database {location.database}) failed with SQLSTATE {state}"
        return Diagnosis(told, "look into the log of PostgreSQL", lasting=False)
    names = {"server": location.server, "role": location.role, "database": location.database}
    return Diagnosis(found.told.format_map(names), found.mend.format_map(names), found.lasting)


def _of_network(cause: BaseException, place: str) -> Diagnosis:
    lasting = False
    match cause:
        case socket.gaierror():
            told, mend = f"the name in {place} does not resolve", "check the host in DATABASE_URL"
        case ConnectTimeout():
            told = f"PostgreSQL at {place} does not answer"
            mend = "check the host and port in DATABASE_URL, and the firewall between"
        case TimeoutError():
            told = f"PostgreSQL at {place} answers, and did not finish a statement in time"
            mend = "see in pg_stat_activity what it does and who holds a lock, or raise ARAGORA_DB_POOL_TIMEOUT"
        case ssl.SSLError():
            told, lasting = f"PostgreSQL at {place} cannot be reached over TLS", True
            mend = "check its certificate, or sslmode in DATABASE_URL"
        case FileNotFoundError():
            told, mend = f"there is no socket at {place}", "start PostgreSQL, or check DATABASE_URL"
        case OSError():
            told = f"nothing listens at {place}"
            mend = "start PostgreSQL there, or check host and port in DATABASE_URL"
        case _:
            told, lasting = f"PostgreSQL at {place} cannot be used ({type(cause).__name__})", True
            mend = "check DATABASE_URL, and the log of PostgreSQL"
    return Diagnosis(told, mend, lasting)


def _of_sqlite(cause: BaseException, location: Location) -> Diagnosis:
    path = location.path
    match getattr(cause, "sqlite_errorcode", None):
        case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:
            told = f"{path} is damaged or is no SQLite database"
            return Diagnosis(told, "put a backup in its place (docs/operations.md, Back up and repair)", lasting=True)
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return Diagnosis(
                f"{path} is locked", "another process holds it: see who with `fuser`, then try again", lasting=False
            )
        case sqlite3.SQLITE_FULL:
            return Diagnosis(f"the disk of {path} is full", "make room, then try again", lasting=False)
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return Diagnosis(
                f"{path} cannot be opened for writing",
                "change its owner or mode, or choose another ARAGORA_DATA_DIR",
                lasting=True,
            )
        case _:
            reason = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
            return Diagnosis(f"{path} cannot be used ({reason})", "check the disk and the file's owner", lasting=True)
