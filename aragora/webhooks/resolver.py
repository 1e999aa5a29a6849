"""Names of receivers, resolved for one connection at a time and judged by the guard.

The system's resolver would run in a pool of threads that a name server without an answer can fill (a thread cannot be
cancelled). c-ares asks all names side by side, and each query has its own end. Names are taken as absolute: no search
domain turns a receiver's name into that of a service nearby. The hosts file counts, and what it says is judged as well.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import aiodns
import pycares
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from aragora.clock import Clock
from aragora.errors import InvalidInput
from aragora.webhooks.guard import Guard, Refused
from aragora.webhooks.networks import Reason

FRESH_S: Final = 20.0
"""c-ares keeps answers for as long as their TTL says, up to an hour, and has no setting for it here. So it is made anew
after this time: a receiver that moves is found, and a rebinding is judged, within it."""
QUERY_S: Final = 1.5  # of the first try; the second has twice as long
TRIES: Final = 2
_SILENT: Final = frozenset({pycares.errno.ARES_ETIMEOUT, pycares.errno.ARES_ESERVFAIL, pycares.errno.ARES_ECONNREFUSED})
_NUMERIC: Final = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


class Blocked(OSError):
    """Raised where the guard refuses an address. An OSError, as those of connections are: the libraries in between let
    no other through."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(f"refused: {reason}")
        self.reason = reason


class NoAddress(OSError):
    """Raised where a name has no address, or its name server gives no answer; the text says which."""


@dataclass(slots=True)
class _Channel:
    resolver: aiodns.DNSResolver
    made_at: float


class Resolver(AbstractResolver):
    """Resolves for `aiohttp`, and checks URLs before they are stored. Belongs to one event loop; close it at the end.

    Args:
        nameservers: as `192.0.2.1` or `192.0.2.1:53`; without any, those of the system.
        timeout_s: the longest that one name may take.
    """

    def __init__(self, guard: Guard, *, clock: Clock, nameservers: Sequence[str] = (), timeout_s: float = 5.0) -> None:
        self._guard = guard
        self._clock = clock
        self._nameservers = tuple(nameservers)
        self._timeout_s = timeout_s
        self._channels: list[_Channel] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """All addresses of `host`. One that is refused makes the whole answer refused: which of them a connection takes
        would be up to the receiver. Raises Blocked and NoAddress."""
        found = await self._found(host, port, family)
        for address, _ in found:
            if (reason := self._guard.refuses(address)) is not None:
                raise Blocked(reason)
        return [
            ResolveResult(hostname=host, host=address, port=port, family=kind, proto=0, flags=_NUMERIC)
            for address, kind in found
        ]

    async def check(self, url_text: str) -> None:
        """Whether a webhook may be sent to this URL: its form, and where it leads now. Raises InvalidInput, and of its
        kinds Refused where the guard refuses."""
        try:
            await self.reach(self._guard.url(url_text))
        except Blocked as blocked:
            raise Refused(blocked.reason) from None
        except NoAddress as error:
            raise InvalidInput(f"{error}: check the host of the URL") from None

    async def reach(self, url: URL) -> None:
        """Judge where the host of a URL leads, without connecting. Raises Blocked and NoAddress."""
        host = url.raw_host or ""
        reason = self._guard.refuses(host)
        if reason is Reason.MALFORMED:  # a name
            await self.resolve(host, url.port or 0)
        elif reason is not None:
            raise Blocked(reason)

    async def close(self) -> None:
        """Ends every query; those that wait for one get NoAddress."""
        channels, self._channels = self._channels, []
        for channel in channels:
            await channel.resolver.close()

    async def _found(self, host: str, port: int, family: socket.AddressFamily) -> list[tuple[str, int]]:
        resolver = await self._current()
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await resolver.getaddrinfo(host.rstrip("."), port=port, type=socket.SOCK_STREAM, family=family)
        except TimeoutError:
            raise NoAddress("the name server of the host gave no answer in time") from None
        except aiodns.error.DNSError as error:
            silent = bool(error.args) and error.args[0] in _SILENT
            raise NoAddress(
                "the name server of the host gave no answer" if silent else "the host has no address"
            ) from None
        found = [(node.addr[0].decode("ascii"), node.family) for node in answer.nodes]
        if not found:
            raise NoAddress("the host has no address")
        return found

    async def _current(self) -> aiodns.DNSResolver:
        """The channel for a new query. The last one lives on until its queries have ended: it is closed when the one
        after it grows old, and a query takes far less time than that."""
        now = self._clock.monotonic()
        if not self._channels or now - self._channels[-1].made_at > FRESH_S:
            self._channels.append(_Channel(self._made(), now))
            while len(self._channels) > 2:
                await self._channels.pop(0).resolver.close()
        return self._channels[-1].resolver

    def _made(self) -> aiodns.DNSResolver:
        return aiodns.DNSResolver(
            nameservers=self._nameservers or None,
            timeout=QUERY_S,
            tries=TRIES,
            flags=pycares.ARES_FLAG_NOSEARCH | pycares.ARES_FLAG_NOALIASES,
        )
