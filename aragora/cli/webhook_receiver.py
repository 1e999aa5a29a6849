"""The receiver behind `aragora webhooks listen`: an HTTP server that takes every POST as a delivery, checks it, and
hands it to whoever shows it. A challenge (`aragora.webhooks.verification`) it sends back, unless it is not genuine.

It trusts nothing that comes: what is shown is bounded and made plain elsewhere, and an id that comes again is counted
among the last `IDS_MAX` only.
"""

from __future__ import annotations

import asyncio
import errno
import json
import re
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

from aragora.clock import Clock
from aragora.errors import Misconfigured
from aragora.webhooks.checking import Checked, checked
from aragora.webhooks.verification import TYPE

BODY_MAX_BYTES: Final = 2 * 1_048_576
"""Twice what an installation can be set to send."""
IDS_MAX: Final = 10_000
CLOSING_S: Final = 1.0

_CHALLENGE: Final = re.compile("[A-Za-z0-9_-]{1,128}")
_AS_IT_STANDS: Final = {"X-Content-Type-Options": "nosniff"}


@dataclass(frozen=True, slots=True)
class Received:
    """One request. What it says of itself is empty where it does not.

    Args:
        at: when it came, seconds since the epoch.
        event_type: as the body says, which is signed; else the header.
        times: how often its webhook-id has come, this time included; 1 also without one.
        challenge: what is to be sent back; "" where it is no challenge.
        answered: the code of the answer.
        sends_back: whether the answer holds the challenge.
    """

    at: float
    path: str
    message_id: str
    delivery_id: str
    event_type: str
    attempt: str
    checked: Checked
    body: bytes = field(repr=False)
    is_json: bool
    times: int
    challenge: str
    answered: int
    sends_back: bool


@dataclass(slots=True)
class Tally:
    """What came so far."""

    received: int = 0
    genuine: int = 0
    repeated: int = 0


class Receiver:
    """Belongs to one event loop.

    Args:
        secret: to check signatures with; None checks none.
        status: the code to answer with.
        show: called with each request before it is answered. Where it raises OSError (its reader is gone), `serve`
            ends and raises that.
    """

    def __init__(self, secret: str | None, status: int, show: Callable[[Received], None], clock: Clock) -> None:
        self.tally = Tally()
        self._secret = secret
        self._status = status
        self._show = show
        self._clock = clock
        self._seen: OrderedDict[str, int] = OrderedDict()
        self._unshown: OSError | None = None
        self._stopping: asyncio.Event | None = None

    async def serve(self, host: str, port: int, stopping: asyncio.Event, begun: Callable[[str], None]) -> None:
        """Receive until `stopping` is set. `begun` is called with the URL once it listens; port 0 takes a free one.

        Raises Misconfigured where it cannot listen there, and OSError where nothing can be shown any more.
        """
        self._stopping = stopping
        app = web.Application(client_max_size=BODY_MAX_BYTES)
        app.router.add_post("/{path:.*}", self._receive)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSING_S)
        await runner.setup()
        try:
            site = web.TCPSite(runner, host, port)
            try:
                await site.start()
            except OSError as error:
                raise _unheard(host, port, error) from None
            begun(_url(host, runner))
            await stopping.wait()
        finally:
            await runner.cleanup()
        if self._unshown is not None:
            raise self._unshown

    async def _receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        received = self._received(request, body)
        self.tally.received += 1
        self.tally.genuine += received.checked.genuine
        self.tally.repeated += received.times > 1
        try:
            self._show(received)
        except OSError as error:
            self._unshown = error
            assert self._stopping is not None, "serve comes first"
            self._stopping.set()
        if received.sends_back:  # as plain text: whatever it holds, nobody takes it for a page
            return web.Response(status=self._status, text=received.challenge, headers=_AS_IT_STANDS)
        return web.Response(status=self._status)

    def _received(self, request: web.Request, body: bytes) -> Received:
        headers = {name.lower(): value for name, value in request.headers.items()}
        message_id = headers.get("webhook-id", "")
        now = self._clock.now()
        document = _document(body)
        told = document.get("type") if isinstance(document, dict) else None
        found = checked(body, headers, self._secret, now)
        challenge = _challenge(document)
        return Received(
            at=now,
            path=request.path,
            message_id=message_id,
            delivery_id=headers.get("x-webhook-delivery-id", ""),
            event_type=told if isinstance(told, str) else headers.get("x-webhook-event", ""),
            attempt=headers.get("x-webhook-attempt", ""),
            checked=found,
            body=body,
            is_json=document is not None,
            times=self._times(message_id),
            challenge=challenge,
            answered=self._status,
            sends_back=bool(challenge) and self._status < 300 and (self._secret is None or found.genuine),
        )

    def _times(self, message_id: str) -> int:
        if not message_id:
            return 1
        times = self._seen.pop(message_id, 0) + 1
        self._seen[message_id] = times
        if len(self._seen) > IDS_MAX:
            self._seen.popitem(last=False)
        return times


def _challenge(document: Any) -> str:
    """The challenge in the event of a verification; "" where there is none."""
    if not isinstance(document, dict) or document.get("type") != TYPE or not isinstance(document.get("data"), dict):
        return ""
    challenge = document["data"].get("challenge")
    return challenge if isinstance(challenge, str) and _CHALLENGE.fullmatch(challenge) else ""


def _document(body: bytes) -> Any:
    """The JSON in a body; None where it is none."""
    with suppress(ValueError, RecursionError):
        return json.loads(body)
    return None


def _url(host: str, runner: web.AppRunner) -> str:
    port = runner.addresses[0][1]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def _unheard(host: str, port: int, error: OSError) -> Misconfigured:
    if error.errno == errno.EADDRINUSE:
        return Misconfigured(
            f"Port {port} is in use: stop what uses it, or choose another with --port (0: a free one)."
        )
    return Misconfigured(
        f"Nothing can listen at {host}, port {port} ({error.strerror or type(error).__name__}): give another --host or "
        "--port."
    )
