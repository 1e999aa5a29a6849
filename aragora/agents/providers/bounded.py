"""What HTTP clients read of bodies that SDKs read whole, several times over in memory: the beginning of an error, and a
list of models up to `events.MAX_BYTES`. A broken proxy may send either without an end. The time of a call is bounded
elsewhere (`sdk.in_time`), and so is the body of an answer (`events.MAX_BYTES`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aragora.agents.providers.events import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    import aiohttp
    import httpx2

ERROR_MAX_BYTES: Final = 65_536
_FIRST_REDIRECT: Final = 300
_FIRST_ERROR: Final = 400


def event_hooks() -> dict[str, list[Any]]:
    """For a client of httpx2."""
    import httpx2  # noqa: PLC0415  heavy: only where it is used

    class Beginning(httpx2.AsyncByteStream):
        """The first bytes of a body; the connection of a longer one is not used again."""

        def __init__(self, whole: Any, size_bytes: int) -> None:
            self._whole = whole
            self._size_bytes = size_bytes

        async def __aiter__(self) -> AsyncIterator[bytes]:
            left = self._size_bytes
            async for piece in self._whole:
                yield piece[:left]
                left -= len(piece)
                if left <= 0:
                    return

        async def aclose(self) -> None:
            await self._whole.aclose()

    async def shorten(response: httpx2.Response) -> None:
        if response.status_code >= _FIRST_REDIRECT:  # the body of a redirect is read, too
            response.stream = Beginning(response.stream, ERROR_MAX_BYTES)
        elif response.request.method == "GET":
            response.stream = Beginning(response.stream, MAX_BYTES)

    return {"response": [shorten]}


class ErrorAnswer(Exception):
    """Raised by the middleware `raising` when a server answers with the status of an error; `body` is its beginning."""

    def __init__(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        super().__init__(f"status {status}")
        self.status = status
        self.body = body
        self.headers = headers


async def raising(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """A middleware of aiohttp. Raises ErrorAnswer."""
    response = await handler(request)
    if response.status < _FIRST_ERROR:
        return response
    body = bytearray()
    while len(body) < ERROR_MAX_BYTES and (piece := await response.content.read(ERROR_MAX_BYTES)):
        body += piece
    if response.content.at_eof():
        response.release()
    else:
        response.close()
    raise ErrorAnswer(response.status, bytes(body), response.headers)
