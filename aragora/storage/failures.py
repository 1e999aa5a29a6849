"""What a failing database means to the caller: almost always `Unavailable`, try again later; `InvalidInput` where it
works and cannot hold the value.

Driver errors carry statements and parameters; none of that goes into the text. Works without importing asyncpg or
SQLAlchemy: their errors are told apart by name and SQLSTATE, so that a process that uses neither pays for neither.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from aragora.errors import AragoraError, InvalidInput, Unavailable

RETRY_AFTER_S: Final = 1.0
_NOT_MIGRATED: Final = ("no such table", "no such column", "has no column")
_INTEGRITY_CLASS: Final = "23"  # SQLSTATE class: integrity constraint violation
_DATA_CLASS: Final = "22"  # SQLSTATE class: data exception
_AGAIN: Final = ("40001", "40P01")  # serialization failure, deadlock detected
_UNDEFINED: Final = ("42P01", "42703")  # undefined table, undefined column


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Errors of the database inside the block become `Unavailable`, or `InvalidInput` for a value that it cannot hold;
    programming errors and broken constraints stay what they are.

    Args:
        what: the thing that could not be done, for the text: "reading debates".
    """
    try:
        yield
    except AragoraError:
        raise
    except Exception as error:
        if is_unstorable(error):
            raise InvalidInput(
                f"{what}: the database cannot hold one of the values; leave out NUL and other control characters, halves "
                "of surrogate pairs, and numbers beyond 64 bits"
            ) from error
        if is_refused(error) or not is_database_error(error):
            raise
        raise unavailable(what, error) from error


def unavailable(what: str, error: BaseException) -> Unavailable:
    """The error for the caller: what failed, why in a word, and what to do."""
    cause = driver_error(error)
    if _is_not_migrated(cause):
        text = f"{what}: the database lacks a table or column; run `python -m aragora.migrations.apply`"
    else:
        text = f"{what}: the database failed ({_reason(cause)}); check disk space and the database, then try again"
    return Unavailable(text, code="storage_unavailable", retry_after_s=RETRY_AFTER_S)


def is_database_error(error: BaseException) -> bool:
    """Whether the database, its file or the way to it failed, or had no connection free in time."""
    cause = driver_error(error)
    if isinstance(cause, sqlite3.Error | OSError | TimeoutError):
        return True
    module = type(cause).__module__
    return sqlstate(cause) is not None or module.startswith(("asyncpg", "sqlalchemy"))


def is_refused(error: BaseException) -> bool:
    """Whether the database works and refuses these very rows: a constraint, or a value it cannot hold."""
    cause = driver_error(error)
    if isinstance(
        cause, sqlite3.IntegrityError | sqlite3.DataError | sqlite3.ProgrammingError | sqlite3.InterfaceError
    ):
        return True
    if isinstance(cause, UnicodeError | OverflowError):
        return True
    state = sqlstate(cause)
    return state is not None and state.startswith((_INTEGRITY_CLASS, _DATA_CLASS))


def is_unstorable(error: BaseException) -> bool:
    """Whether the database cannot hold one of the values: the net behind the checks at the edges."""
    cause = driver_error(error)
    if isinstance(cause, sqlite3.DataError | UnicodeEncodeError | OverflowError):
        return True
    return (sqlstate(cause) or "").startswith(_DATA_CLASS)


def is_constraint(error: BaseException) -> bool:
    """Whether a unique key or another constraint was hit."""
    cause = driver_error(error)
    return isinstance(cause, sqlite3.IntegrityError) or (sqlstate(cause) or "").startswith(_INTEGRITY_CLASS)


def is_transient(error: BaseException) -> bool:
    """Whether the same transaction, tried again at once, may well succeed: a deadlock between two writers."""
    return sqlstate(driver_error(error)) in _AGAIN


def driver_error(error: BaseException) -> BaseException:
    """The error of the driver inside SQLAlchemy's wrapper and the adapter's."""
    inner = getattr(error, "orig", None)
    if not isinstance(inner, BaseException):
        return error
    return inner.__cause__ if sqlstate(inner) is None and inner.__cause__ is not None else inner


def sqlstate(error: BaseException) -> str | None:
    """PostgreSQL's code of a driver's error; None where it has none."""
    state = getattr(error, "sqlstate", None)
    return state if isinstance(state, str) else None


def _is_not_migrated(error: BaseException) -> bool:
    if isinstance(error, sqlite3.OperationalError):
        return any(text in str(error) for text in _NOT_MIGRATED)
    return sqlstate(error) in _UNDEFINED


def _reason(error: BaseException) -> str:
    if isinstance(error, sqlite3.Error):
        return str(error)  # SQLite's texts name no values
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
