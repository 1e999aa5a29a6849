"""What a failing database means: away, refusing, or our own mistake."""

from __future__ import annotations

import sqlite3

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError

from aragora.errors import Conflict, InvalidInput, Unavailable
from aragora.storage.failures import (
    is_constraint,
    is_database_error,
    is_refused,
    is_transient,
    translated,
    unavailable,
)

AWAY = [
    sqlite3.OperationalError("database or disk is full"),
    sqlite3.OperationalError("disk I/O error"),
    sqlite3.OperationalError("database is locked"),
    sqlite3.DatabaseError("database disk image is malformed"),
    asyncpg.ConnectionDoesNotExistError("closed"),
    asyncpg.TooManyConnectionsError("sorry"),
    asyncpg.CannotConnectNowError("starting up"),
    asyncpg.InterfaceError("connection is closed"),
    ConnectionRefusedError(111, "Connection refused"),
    TimeoutError(),
]
REFUSED = [
    sqlite3.IntegrityError("UNIQUE constraint failed: journal.seq"),
    asyncpg.UniqueViolationError("duplicate key"),
    asyncpg.CharacterNotInRepertoireError("0x00"),
    sqlite3.ProgrammingError("type 'object' is not supported"),
    UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
    OverflowError("Python int too large to convert to SQLite INTEGER"),
]


@pytest.mark.parametrize("error", AWAY, ids=repr)
def test_a_database_that_is_away_is_unavailable_and_says_when_to_try_again(error: Exception) -> None:
    with pytest.raises(Unavailable) as caught, translated("reading debates"):
        raise error
    assert caught.value.retry_after_s is not None
    assert caught.value.message.startswith("reading debates: ")
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [error for error in AWAY if not isinstance(error, OSError)], ids=repr)
def test_sqlalchemy_around_the_drivers_error_changes_nothing(error: Exception) -> None:
    wrapped = DBAPIError("SELECT secret", ("hunter2",), error)
    with pytest.raises(Unavailable) as caught, translated("reading debates"):
        raise wrapped
    assert "hunter2" not in caught.value.message
    assert "SELECT" not in caught.value.message


UNSTORABLE = [
    asyncpg.CharacterNotInRepertoireError("0x00"),
    asyncpg.UntranslatableCharacterError("\\u0000 cannot be converted to text"),
    asyncpg.NumericValueOutOfRangeError("bigint out of range"),
    asyncpg.DataError("invalid input for query argument $1: 'hunter2' (value out of int64 range)"),
    sqlite3.DataError("string or blob too big"),
    UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
    OverflowError("Python int too large to convert to SQLite INTEGER"),
]


@pytest.mark.parametrize("error", REFUSED, ids=repr)
def test_a_refused_value_is_not_an_outage(error: Exception) -> None:
    assert is_refused(error)
    with pytest.raises((type(error), InvalidInput)), translated("writing debates"):
        raise error


@pytest.mark.parametrize("error", UNSTORABLE, ids=repr)
def test_a_value_that_the_database_cannot_hold_is_wrong_input_and_is_not_repeated(error: Exception) -> None:
    for raised in (error, DBAPIError("INSERT secret", ("hunter2",), error)):
        with pytest.raises(InvalidInput) as caught, translated("writing debates"):
            raise raised
        assert caught.value.status == 422
        assert caught.value.message.startswith("writing debates: ")
        assert "hunter2" not in caught.value.message


@pytest.mark.parametrize("error", [sqlite3.IntegrityError("UNIQUE"), asyncpg.UniqueViolationError("key")], ids=repr)
def test_a_broken_constraint_stays_what_it_is_for_whoever_expects_it(error: Exception) -> None:
    with pytest.raises(type(error)), translated("writing debates"):
        raise error


def test_constraints_are_told_from_other_refusals() -> None:
    assert is_constraint(REFUSED[0])
    assert is_constraint(REFUSED[1])
    assert not any(is_constraint(error) for error in REFUSED[2:])


def test_only_deadlocks_and_serialization_failures_are_worth_another_try_at_once() -> None:
    assert is_transient(asyncpg.DeadlockDetectedError("deadlock"))
    assert is_transient(asyncpg.SerializationError("again"))
    assert not any(is_transient(error) for error in (*AWAY, *REFUSED))


def test_our_own_mistakes_and_meanings_pass_as_they_are() -> None:
    for error in (KeyError("x"), Conflict("no")):
        assert not is_database_error(error)
        with pytest.raises(type(error)), translated("reading"):
            raise error


@pytest.mark.parametrize(
    "error", [sqlite3.OperationalError("no such table: journal"), asyncpg.UndefinedTableError("journal")], ids=repr
)
def test_a_database_that_was_not_migrated_names_the_command(error: Exception) -> None:
    assert "python -m aragora.migrations.apply" in unavailable("reading debates", error).message
