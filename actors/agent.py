"""An agent as an actor: takes batches of asks, answers them concurrently, hands replies back in batches.

One message serves both ways. `exchange` brings new asks and returns as soon as replies are ready, whichever asks
they belong to; a newer call releases the one that is waiting. So a busy coordinator pays one message per batch of
answers, an idle one a long poll every few seconds.

An ask that comes twice (its coordinator restarted, a message was lost) is answered once: while it is being
answered the second is ignored, afterwards the reply is repeated from memory.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Final

from actors.breaker_port import StoredBreaker
from actors.runtime import Runtime, retire
from aragora.agents import catalog, wire
from aragora.agents.answering import Answering
from aragora.agents.gate import LeasedGate
from aragora.clock import SystemClock
from aragora.config.settings import Settings
from aragora.debate.model import AgentRequest, Reply
from aragora.observability.logging import configure_logging

POLL_S: Final = 10.0  # an empty exchange returns after this many seconds
REMEMBERED: Final = 20_000  # replies kept for asks that come again
ASKERS: Final = 64  # mailboxes kept; every start of a coordinator has its own, the oldest are of dead ones


class Mailbox:
    """The replies that wait for one coordinator, and the call that waits for them."""

    def __init__(self) -> None:
        self._ready: list[Reply] = []
        self._waiter: asyncio.Future[None] | None = None

    def put(self, reply: Reply) -> None:
        self._ready.append(reply)
        self._wake()

    async def take(self, timeout_s: float) -> list[Reply]:
        """All ready replies; waits up to `timeout_s` seconds for the first, or until a newer call takes over."""
        self._wake()
        if not self._ready:
            waiter = asyncio.get_running_loop().create_future()
            self._waiter = waiter
            await asyncio.wait({waiter}, timeout=timeout_s)
            if self._waiter is not waiter:
                return []
            self._waiter = None
        ready, self._ready = self._ready, []
        return ready

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


class AgentActor:
    """One agent (or one shard of it). `key` is `NAME` or `NAME#SHARD`."""

    def __init__(self, key: str, settings: Settings) -> None:
        configure_logging(settings)
        self._name = key.partition("#")[0]
        self._settings = settings
        self._clock = SystemClock()
        self._answering: Answering | None = None
        self._mailboxes: OrderedDict[str, Mailbox] = OrderedDict()
        self._working: dict[str, asyncio.Task[None]] = {}
        self._askers: dict[str, str] = {}
        self._answered: OrderedDict[str, Reply] = OrderedDict()
        self._used_at = self._clock.monotonic()
        self._retiring: asyncio.Task[None] | None = None

    async def exchange(self, asker: str, batch: bytes, withdrawn: tuple[str, ...] = ()) -> bytes:
        """Take a batch of asks (`wire.encode_requests`, or empty) of the coordinator `asker`; returns the replies that
        are ready, as `wire.encode_replies`. `withdrawn` names debates whose answers nobody wants any more."""
        self._used_at = self._clock.monotonic()
        mailbox = self._mailbox(asker)
        for debate_id in withdrawn:
            self._withdraw(debate_id)
        if batch:
            answering = self._ready()
            for request in wire.decode_requests(batch):
                self._take(answering, request, asker)
            await asyncio.sleep(0)  # whatever answers at once is part of this reply already
        replies = await mailbox.take(POLL_S)
        return wire.encode_replies(replies) if replies else b""

    def _mailbox(self, asker: str) -> Mailbox:
        mailbox = self._mailboxes.get(asker)
        if mailbox is None:
            mailbox = self._mailboxes[asker] = Mailbox()
            if len(self._mailboxes) > ASKERS:
                self._mailboxes.popitem(last=False)
        return mailbox

    def _ready(self) -> Answering:
        if self._answering is None:
            spec = catalog.spec_of(self._name, self._settings)
            breaker = StoredBreaker(self._name, Runtime(self._settings), self._settings)
            self._answering = Answering(
                spec,
                catalog.build_provider(spec, self._settings),
                catalog.build_fallback(spec, self._settings),
                LeasedGate(breaker, self._clock),
                self._clock,
            )
            self._retiring = asyncio.get_running_loop().create_task(self._retire_when_idle())
        return self._answering

    def _take(self, answering: Answering, request: AgentRequest, asker: str) -> None:
        ask_id = request.ask.ask_id
        self._askers[ask_id] = asker
        if ask_id in self._answered:
            self._mailbox(asker).put(self._answered[ask_id])
        elif ask_id not in self._working:
            task = asyncio.get_running_loop().create_task(self._answer(answering, request))
            self._working[ask_id] = task

    async def _answer(self, answering: Answering, request: AgentRequest) -> None:
        ask_id = request.ask.ask_id
        try:
            reply = await answering.answer(request)
        finally:
            del self._working[ask_id]
            asker = self._askers.pop(ask_id)
        self._answered[ask_id] = reply
        if len(self._answered) > REMEMBERED:
            self._answered.popitem(last=False)
        self._mailbox(asker).put(reply)

    def _withdraw(self, debate_id: str) -> None:
        prefix = f"{debate_id}:"
        for ask_id in [ask_id for ask_id in self._working if ask_id.startswith(prefix)]:
            self._working[ask_id].cancel()

    async def _retire_when_idle(self) -> None:
        limit = self._settings.passivate_after_s
        while True:
            idle = self._clock.monotonic() - self._used_at
            if idle >= limit and not self._working:
                break
            await asyncio.sleep(max(1.0, limit - idle))
        if self._answering is not None:
            await self._answering.aclose()
        retire()
