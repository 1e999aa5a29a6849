"""A connection to PostgreSQL. Whether the server gave none in time, or a statement took too long, are two errors here;
asyncpg has one for both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aragora.storage.contexts import Location

if TYPE_CHECKING:
    import asyncpg

CONNECT_TIMEOUT_S: Final = 10.0


class ConnectTimeout(TimeoutError):
    """PostgreSQL gave no connection in time."""


async def connect(
    location: Location, *, command_timeout_s: float | None = None, **server_settings: str
) -> asyncpg.Connection[Any]:
    """A new connection, which the caller closes.

    Args:
        location: where; its timeout bounds the wait for the connection, 10 seconds at most.
        command_timeout_s: how long a statement may take; None is the location's timeout.
        server_settings: parameters of the session.

    Raises ConnectTimeout, and the driver's errors.
    """
    import asyncpg  # noqa: PLC0415  processes of a SQLite store never load it

    try:
        connection: asyncpg.Connection[Any] = await asyncpg.connect(
            location.dsn,
            timeout=min(CONNECT_TIMEOUT_S, location.timeout_s),
            command_timeout=location.timeout_s if command_timeout_s is None else command_timeout_s,
            server_settings=server_settings,
        )
    except TimeoutError as late:
        raise ConnectTimeout(str(late)) from late
    return connection
