"""The connections of one process: their end with their credentials."""

from __future__ import annotations

from typing import Any

import pytest
from worlds.backends import SetClock
from worlds.memory_server import DEFAULT_CONFIG, NOW, Boards

from aragora.identity.principal import Method, Principal
from aragora.server.live.connection import Connection
from aragora.server.live.sockets import SocketRegistry


@pytest.mark.parametrize(("expires_at", "codes"), [(NOW + 60.0, [1008]), (NOW + 60.5, []), (None, [])])
async def test_a_beat_closes_the_connections_whose_credentials_have_expired(
    expires_at: float | None, codes: list[int]
) -> None:
    clock, boards, said = SetClock(NOW), Boards(), list[Any]()
    registry = SocketRegistry(DEFAULT_CONFIG, boards, boards, None, clock)  # type: ignore[arg-type]  # it is not asked

    async def send(message: Any) -> None:
        said.append(message)

    principal = Principal("usr_1", "org_1", ("member",), Method.SESSION, expires_at=expires_at)
    connection = Connection("con_1", principal, send, clock, 10)
    registry.add(connection)
    registry.beat()
    await connection.say_goodbye()
    assert said == []
    clock.at += 60.0
    registry.beat()
    await connection.say_goodbye()
    assert [message["code"] for message in said] == codes
