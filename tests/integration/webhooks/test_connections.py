"""The last gate: each socket is judged where it is made, whatever came before."""

from __future__ import annotations

import socket

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from aragora.webhooks.answers import blocked_reason
from aragora.webhooks.connections import COURSE, Course, guarded
from aragora.webhooks.networks import Reason
from tests.standins.receivers import answer, answering, listening

from .conftest import opened


class Careless(AbstractResolver):
    """Gives addresses without a look at them."""

    def __init__(self, *addresses: str) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)
            for address in self._addresses
        ]

    async def close(self) -> None:
        self._addresses = ()


@pytest.fixture
def course() -> Course:
    return Course()


async def blocked_at(url: str, resolver: AbstractResolver, course: Course) -> Reason | None:
    COURSE.set(course)
    async with aiohttp.ClientSession(connector=guarded(opened("10.9.8.7"), resolver)) as session:
        with pytest.raises(aiohttp.ClientConnectorError) as error:
            await session.post(url)
    return blocked_reason(error.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]"])
async def test_an_address_that_no_resolver_sees_is_judged(host: str, course: Course) -> None:
    async with listening(answering(answer())) as receiver:
        assert await blocked_at(f"http://{host}:{receiver.port}/", Careless(), course) is Reason.LOOPBACK
    assert receiver.connections == 0
    assert not course.connected


@pytest.mark.parametrize("addresses", [("127.0.0.1",), ("127.0.0.1", "127.0.0.1"), ("::1", "127.0.0.1")])
async def test_what_a_resolver_let_through_is_judged(addresses: tuple[str, ...], course: Course) -> None:
    async with listening(answering(answer())) as receiver:
        url = f"http://hooks.test:{receiver.port}/"
        assert await blocked_at(url, Careless(*addresses), course) is Reason.LOOPBACK
    assert receiver.connections == 0
