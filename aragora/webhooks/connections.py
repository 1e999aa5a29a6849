"""Connections to receivers: what aiohttp's own do not do for us.

- Every address is judged before its socket is made. An address in a URL never reaches a resolver: this is the one place
  that all of them pass.
- A `Course` learns which connection its request got, whether it was used before and whether bytes of an answer came. So
  the sender knows when an idle connection was closed under its request.
- The head of an answer has a bound as a whole, with the interim answers (1xx) before it: aiohttp bounds each line and
  the number of lines.
- A connection at which bytes came unasked, while it was idle, is not used again: they would be taken for the answer.
"""

from __future__ import annotations

import asyncio
import functools
import socket
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection

from aragora.webhooks.guard import Guard
from aragora.webhooks.resolver import Blocked

if TYPE_CHECKING:
    from aiohttp import ClientRequest, ClientTimeout
    from aiohttp.tracing import Trace

HEAD_MAX_BYTES: Final = 65_536
RECEIVE_BYTES: Final = 32_768
"""Of a socket. asyncio reads all that is there at once, up to 256 KiB, and a body in chunks of one byte takes seven
times that in memory. Answers are short."""


class HeadTooLarge(aiohttp.ClientError):
    """Raised where the head of an answer, with the interim answers before it, does not end within `HEAD_MAX_BYTES`."""


class Course:
    """What happened to one request so far; it `began` at this monotonic time."""

    def __init__(self, began: float = 0.0) -> None:
        self.began = began
        self.address: str | None = None
        self.response: aiohttp.ClientResponse | None = None
        self.body = bytearray()
        self.body_ended = False
        self._protocol: Heard | None = None

    def took(self, connection: Connection) -> None:
        """The request got this connection."""
        protocol = connection.protocol
        self._protocol = protocol if isinstance(protocol, Heard) else None
        peer = connection.transport.get_extra_info("peername") if connection.transport is not None else None
        self.address = peer[0] if peer else None

    def answered(self, response: aiohttp.ClientResponse) -> None:
        """The head of the answer is whole."""
        self.response = response
        if self._protocol is not None:
            self._protocol.head_ended()

    @property
    def connected(self) -> bool:
        """Whether there was a connection."""
        return self._protocol is not None

    @property
    def stale(self) -> bool:
        """Whether the request went to a connection from before, and not a byte came back."""
        return self._protocol is not None and self._protocol.requests > 1 and not self._protocol.heard_bytes


COURSE: Final[ContextVar[Course]] = ContextVar("course")
"""That of the request which the current task sends. aiohttp has no other way from a request to its connection."""


class Heard(ResponseHandler):
    """The protocol of one connection, which counts."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.requests = 0
        self.heard_bytes = 0  # since the current request began
        self._in_head = False

    def set_response_params(self, **params: Any) -> None:
        self.requests += 1
        self.heard_bytes = 0
        self._in_head = True
        super().set_response_params(**params)

    def head_ended(self) -> None:
        """What comes now is the body, which its reader bounds."""
        self._in_head = False

    def data_received(self, data: bytes) -> None:
        # Data of one read counts only with the next: a head may come with much of its body.
        too_large = self._in_head and self.heard_bytes > HEAD_MAX_BYTES
        self.heard_bytes += len(data)
        if not too_large:
            super().data_received(data)
            return
        if self.transport is not None:
            self.transport.abort()
        self.set_exception(HeadTooLarge())


class _Telling(aiohttp.TCPConnector):
    """A connector that tells the `Course` of its request."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        made = functools.partial(Heard, loop=asyncio.get_running_loop())
        self._factory = cast("functools.partial[ResponseHandler]", made)

    async def connect(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: ClientTimeout,  # noqa: ASYNC109  the signature is aiohttp's
    ) -> Connection:
        while True:
            connection = await super().connect(req, traces, timeout)
            protocol = connection.protocol
            if not (isinstance(protocol, Heard) and protocol.requests and protocol.should_close):
                COURSE.get().took(connection)
                return connection
            connection.close()


def guarded(guard: Guard, resolver: aiohttp.abc.AbstractResolver, **settings: Any) -> aiohttp.TCPConnector:
    """A connector whose every connection the guard judges. `settings` are those of TCPConnector."""

    def judged(info: aiohttp.AddrInfoType) -> socket.socket:
        address = info[4]
        if (reason := guard.refuses(str(address[0]))) is not None:
            raise Blocked(reason)
        return _socket(info)

    return _Telling(resolver=resolver, socket_factory=judged, **settings)


def unguarded(**settings: Any) -> aiohttp.TCPConnector:
    """A connector for connections to the operator's proxy, which may stand anywhere."""
    return _Telling(socket_factory=_socket, **settings)


def _socket(info: aiohttp.AddrInfoType) -> socket.socket:
    family, kind, protocol, _, _ = info
    made = socket.socket(family=family, type=kind, proto=protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
    return made
