"""No more is read of an error than anybody needs, whatever a server sends."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest

from aragora.agents.providers.bounded import ERROR_MAX_BYTES, event_hooks
from aragora.agents.providers.events import MAX_BYTES

PIECE = b"x" * 50_000


class Endless(httpx2.AsyncByteStream):
    """A body that counts what was read of it."""

    def __init__(self) -> None:
        self.sent = 0
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self.sent < 20 * MAX_BYTES:
            self.sent += len(PIECE)
            yield PIECE

    async def aclose(self) -> None:
        self.closed = True


async def read(status: int, body: httpx2.AsyncByteStream, method: str = "POST") -> bytes:
    transport = httpx2.MockTransport(lambda _: httpx2.Response(status, stream=body))
    async with httpx2.AsyncClient(transport=transport, event_hooks=event_hooks()) as client:
        return (await client.request(method, "http://provider/")).content


@pytest.mark.parametrize("status", [302, 400, 401, 429, 500, 529])
async def test_an_error_without_an_end_is_read_to_its_bound_and_its_connection_closed(status: int) -> None:
    body = Endless()
    assert len(await read(status, body)) == ERROR_MAX_BYTES
    assert body.sent <= ERROR_MAX_BYTES + len(PIECE)
    assert body.closed


async def test_a_list_without_an_end_is_read_to_its_bound() -> None:
    body = Endless()
    assert len(await read(200, body, "GET")) == MAX_BYTES


async def test_what_is_short_is_whole_and_an_answer_is_not_bounded_here() -> None:
    assert await read(500, httpx2.ByteStream(b"boom")) == b"boom"
    long = b"x" * (MAX_BYTES + 1)
    assert await read(200, httpx2.ByteStream(long)) == long
