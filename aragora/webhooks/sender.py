"""Sends one request to a receiver, and says what came of it, whatever the receiver does.

A request is a POST with the bytes it was given. No redirect is followed: the next address would get the body and its
signature. Cookies, the environment's proxies and compressed answers are left aside. A request lasts its `timeout_s` at
most, the reading of the answer included.

A 2xx delivers as soon as the head of the answer is whole: the receiver said that it has the event. Of the body only the
beginning is read, and a receiver that sends it slowly, without an end or not to its end changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from ssl import SSLContext
from typing import Final

import aiohttp
from yarl import URL

from aragora.clock import Clock
from aragora.errors import InvalidInput
from aragora.resilience.backoff import parse_retry_after
from aragora.webhooks.answers import BLOCKED, blocked_reason, failure_of, status_failure, text_of
from aragora.webhooks.connections import COURSE, Course, guarded, unguarded
from aragora.webhooks.endpoint import ClientCertificate
from aragora.webhooks.guard import Guard, Refused
from aragora.webhooks.model import Answer, Failure, Request
from aragora.webhooks.networks import Reason
from aragora.webhooks.resolver import Resolver
from aragora.webhooks.tls import Contexts
from aragora.webhooks.verification import ANSWER_HEADER

URLS_KEPT: Final = 10_000
"""The guard judges a URL by its text and by settings, so the judgement holds. What its host stands for is judged at
every connection."""
_OWN_HEADERS: Final = frozenset({"user-agent", "accept-encoding"})


@dataclass(frozen=True, slots=True)
class Limits:
    """What one process spends on receivers.

    Args:
        connections: requests under way at once. Idle connections do not count, so they are kept for a short time only.
        idle_s: how long a connection waits for the next request. Longer saves handshakes and costs descriptors: one
            event may go to many thousand receivers.
        connect_s: for name, connection and TLS together.
        body_s: for the body of an answer, which is of use to people only.
    """

    connections: int = 2_000
    idle_s: float = 5.0
    connect_s: float = 5.0
    body_s: float = 5.0
    line_bytes: int = 8_190
    header_lines: int = 100
    read_bytes: int = 16_384


class Sender:
    """Sends requests. Made in the event loop it serves; `aclose` ends it.

    Args:
        guard: judges every URL and every address.
        resolver: of names; closed with this sender.
        ca_file: see `Contexts`. It is read now: make a sender where that may block.
        proxy: URL of the installation's proxy, or None. The proxy resolves the receiver's name again, so the guard's
            judgement of it does not bind the proxy, which has to refuse internal addresses itself. An `Answer` through
            it has no address.
        user_agent: in every request.

    Raises Misconfigured where `ca_file` cannot be read.
    """

    def __init__(
        self,
        guard: Guard,
        *,
        resolver: Resolver,
        clock: Clock,
        ca_file: Path | None,
        proxy: str | None,
        user_agent: str,
        limits: Limits = Limits(),
    ) -> None:
        self._guard = guard
        self._judged = lru_cache(maxsize=URLS_KEPT)(guard.url)
        self._resolver = resolver
        self._clock = clock
        self._contexts = Contexts(ca_file)
        self._proxy = None if proxy is None else URL(proxy)
        self._limits = limits
        self._user_agent = user_agent
        self._pooled = self._session(keepalive_timeout=limits.idle_s)
        self._anew = self._session(force_close=True)  # each request gets a connection of its own

    async def send(self, request: Request, certificate: ClientCertificate | None = None) -> Answer:
        """Send `request`, proving ourselves with `certificate` where there is one.

        Raises nothing for what the receiver does; ValueError for headers that HTTP does not know.
        """
        course = Course(self._clock.monotonic())
        COURSE.set(course)
        return await self._answer(request, certificate, course)

    async def aclose(self) -> None:
        """Close every connection, and end the requests under way."""
        async with AsyncExitStack() as closing:
            closing.push_async_callback(self._resolver.close)
            closing.push_async_callback(self._anew.close)
            closing.push_async_callback(self._pooled.close)

    async def _answer(self, request: Request, certificate: ClientCertificate | None, course: Course) -> Answer:
        try:
            url = self._judged(request.url)
        except InvalidInput as error:
            reason = error.reason if isinstance(error, Refused) else Reason.URL
            return Answer(Failure.BLOCKED, self._took_s(course), told=BLOCKED, refused_for=reason)
        try:
            context = await self._contexts.of(certificate)
        except InvalidInput as error:
            return Answer(Failure.TLS, self._took_s(course), told=error.message)
        try:
            async with asyncio.timeout(request.timeout_s):
                if self._proxy is not None:
                    await self._resolver.reach(url)
                await self._once_or_again(request, url, context, course)
        except (aiohttp.ClientError, aiohttp.http.HttpProcessingError, OSError) as error:
            if course.response is None:
                return self._failed(error, request, course)
        return self._answered(request, course)

    async def _once_or_again(self, request: Request, url: URL, context: SSLContext, course: Course) -> None:
        """Receivers close idle connections, and some do just as a request comes. Such a request is sent again, once,
        on a new connection. Where a byte of an answer came it is not: the receiver read it. Where none came it hardly
        did; one that did knows the repetition by its id (RFC 9112, 9.3.1 leaves it to the client to know)."""
        try:
            await self._post(self._pooled, request, url, context, course)
        except aiohttp.ClientConnectionError:
            if not course.stale:
                raise
        else:
            return
        await self._post(self._anew, request, url, context, course)

    async def _post(
        self, session: aiohttp.ClientSession, request: Request, url: URL, context: SSLContext, course: Course
    ) -> None:
        async with session.post(
            url,
            data=aiohttp.BytesPayload(request.body),  # bytes alone are looked up among the kinds of payloads
            headers=self._headers(request.headers),
            ssl=context,
            proxy=self._proxy,
            allow_redirects=False,
        ) as response:
            course.answered(response)
            if response.content.is_eof():  # it came with the head, as short ones do
                await self._read(response, course)
            else:
                async with asyncio.timeout(self._limits.body_s):
                    await self._read(response, course)
            if not course.body_ended:
                response.close()

    async def _read(self, response: aiohttp.ClientResponse, course: Course) -> None:
        room = self._limits.read_bytes
        while room > 0:
            piece = await response.content.read(room)
            if not piece:
                course.body_ended = True
                return
            course.body += piece
            room -= len(piece)

    def _headers(self, given: Mapping[str, str]) -> dict[str, str]:
        headers = {name: value for name, value in given.items() if name.lower() not in _OWN_HEADERS}
        return headers | {"User-Agent": self._user_agent, "Accept-Encoding": "identity"}

    def _answered(self, request: Request, course: Course) -> Answer:
        response = course.response
        assert response is not None  # only an error comes without one
        failure, told = status_failure(response.status)
        return Answer(
            failure,
            self._took_s(course),
            code=response.status,
            told=told,
            text=text_of(course, request),
            address=self._shown(course),
            retry_after_s=parse_retry_after(response.headers.get("Retry-After"), self._clock.now()),
            challenge=response.headers.get(ANSWER_HEADER),
        )

    def _failed(self, error: BaseException, request: Request, course: Course) -> Answer:
        failure, told = failure_of(error, course, request.timeout_s)
        address = self._shown(course)
        return Answer(failure, self._took_s(course), told=told, address=address, refused_for=blocked_reason(error))

    def _took_s(self, course: Course) -> float:
        return max(0.0, self._clock.monotonic() - course.began)

    def _shown(self, course: Course) -> str | None:
        return None if self._proxy is not None else course.address

    def _session(self, **settings: object) -> aiohttp.ClientSession:
        limits = self._limits
        settings = {"limit": limits.connections, "limit_per_host": 0, **settings}
        if self._proxy is None:
            connector = guarded(self._guard, self._resolver, ttl_dns_cache=10, **settings)
        else:
            connector = unguarded(**settings)
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            max_line_size=limits.line_bytes,
            max_field_size=limits.line_bytes,
            max_headers=limits.header_lines,
            read_bufsize=limits.read_bytes,
            timeout=aiohttp.ClientTimeout(total=None, connect=limits.connect_s),
        )
