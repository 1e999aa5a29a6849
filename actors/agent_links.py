"""The coordinator's side of the exchange with agents: one link per agent (shard), batched, resent after a crash.

Rules of a link
- Asks of one loop turn travel together; while calls are frequent, a short gap lets more asks join the next batch.
- A call that carries asks also brings back whatever replies are ready. While asks are out, one call always waits.
- An agent whose process died is activated again and gets every ask that is still out: asks carry ids, so one that
  it had answered already is answered again from its memory or asked anew, and counts once.
- An ask whose time is over is forgotten: the debate has closed its phase without it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Final
from zlib import crc32

import structlog
from ray.exceptions import RayError

from actors.agent import POLL_S
from actors.runtime import RESTARTS, Runtime, translated
from aragora.agents import wire
from aragora.debate.model import AgentRequest, Reply
from aragora.errors import AragoraError

log = structlog.get_logger("aragora.coordinator")

GAP_S: Final = 0.002  # least time between two calls that carry asks: bounds a link to 500 of them a second
BATCH: Final = 200  # asks in one message
EXCHANGE_TIMEOUT_S: Final = POLL_S + 20.0

Receive = Callable[[str, Sequence[Reply]], None]


class AgentLinks:
    """Fulfils `aragora.debate.ports.Asking` over agent actors; replies go to `receive(debate_id, replies)`."""

    def __init__(self, asker: str, runtime: Runtime, agent_shards: int, receive: Receive) -> None:
        self._asker = asker
        self._runtime = runtime
        self._agent_shards = agent_shards
        self._receive = receive
        self._links: dict[str, AgentLink] = {}

    def send(self, request: AgentRequest) -> None:
        key = self._key_of(request)
        link = self._links.get(key)
        if link is None:
            link = self._links[key] = AgentLink(self._asker, key, self._runtime, self._receive)
        link.send(request)

    def withdraw(self, debate_id: str) -> None:
        for link in self._links.values():
            link.withdraw(debate_id)

    def close(self) -> None:
        for link in self._links.values():
            link.close()

    def _key_of(self, request: AgentRequest) -> str:
        if self._agent_shards == 1:
            return request.ask.agent
        return f"{request.ask.agent}#{crc32(request.ask.debate_id.encode()) % self._agent_shards}"


class AgentLink:
    """The link to one agent actor."""

    def __init__(self, asker: str, key: str, runtime: Runtime, receive: Receive) -> None:
        self._asker = asker
        self._key = key
        self._runtime = runtime
        self._receive = receive
        self._outbox: list[AgentRequest] = []
        self._out: dict[str, tuple[AgentRequest, float]] = {}  # sent and unanswered, with the loop time it expires
        self._withdrawn: list[str] = []
        self._calls: set[asyncio.Task[None]] = set()
        self._flushing: asyncio.TimerHandle | None = None
        self._flushed_at = 0.0
        self._failures = 0
        self._closed = False

    def send(self, request: AgentRequest) -> None:
        self._outbox.append(request)
        if self._flushing is None and not self._failures:
            self._flush_in(0.0)

    def withdraw(self, debate_id: str) -> None:
        gone = [ask_id for ask_id, (request, _) in self._out.items() if request.ask.debate_id == debate_id]
        for ask_id in gone:
            del self._out[ask_id]
        if gone:
            self._withdrawn.append(debate_id)
        self._outbox = [request for request in self._outbox if request.ask.debate_id != debate_id]

    def close(self) -> None:
        self._closed = True
        if self._flushing is not None:
            self._flushing.cancel()
        for call in self._calls:
            call.cancel()

    def _flush_in(self, pause_s: float) -> None:
        loop = asyncio.get_running_loop()
        soonest = max(pause_s, self._flushed_at + GAP_S - loop.time())
        self._flushing = loop.call_later(soonest, self._flush) if soonest > 0 else loop.call_soon(self._flush)  # type: ignore[assignment]

    def _flush(self) -> None:
        self._flushing = None
        if self._closed:
            return
        loop = asyncio.get_running_loop()
        self._flushed_at = loop.time()
        batch, self._outbox = self._outbox[:BATCH], self._outbox[BATCH:]
        for request in batch:
            self._out[request.ask.ask_id] = (request, self._flushed_at + request.timeout_s)
        if batch or (self._out and not self._calls):
            withdrawn, self._withdrawn = tuple(self._withdrawn), []
            call = loop.create_task(self._exchange(batch, withdrawn))
            self._calls.add(call)
        if self._outbox:
            self._flush_in(0.0)

    async def _exchange(self, batch: Sequence[AgentRequest], withdrawn: tuple[str, ...]) -> None:
        try:
            raw = wire.encode_requests(batch) if batch else b""
            agent = await self._runtime.activate("agent", self._key)
            answer = await asyncio.wait_for(agent.exchange.remote(self._asker, raw, withdrawn), EXCHANGE_TIMEOUT_S)
        except (RayError, AragoraError, TimeoutError) as error:
            self._returned()
            self._retry(translated(error, f"agent/{self._key}", EXCHANGE_TIMEOUT_S))
            return
        self._returned()
        self._failures = 0
        if answer:
            self._deliver(wire.decode_replies(answer))
        if self._flushing is None and (self._outbox or (self._out and not self._calls)):
            self._flush_in(0.0)

    def _returned(self) -> None:
        call = asyncio.current_task()
        if call is not None:
            self._calls.discard(call)
        if not self._calls:
            self._forget_expired()

    def _deliver(self, replies: Sequence[Reply]) -> None:
        wanted = []
        for reply in replies:
            sent = self._out.pop(reply.ask_id, None)
            if sent is not None:
                wanted.append((sent[0].ask.debate_id, reply))
        wanted.sort(key=lambda pair: pair[0])
        for debate_id, group in groupby(wanted, key=lambda pair: pair[0]):
            self._receive(debate_id, [reply for _, reply in group])

    def _retry(self, error: AragoraError) -> None:
        """Send everything that is out again, after a pause that grows with every failure in a row."""
        self._runtime.forget("agent", self._key)
        if self._closed or (self._flushing is not None and self._failures):
            return  # another call of the same failure has arranged the retry
        self._failures += 1
        self._forget_expired()
        resend = [request for request, _ in self._out.values()]
        self._out.clear()
        self._outbox = resend + self._outbox
        pause = RESTARTS.delay_s(self._failures, random.random())
        log.warning("agent lost", agent=self._key, error=error.message, resend=len(resend), retry_in_s=round(pause, 3))
        if self._flushing is not None:
            self._flushing.cancel()
        self._flush_in(pause)

    def _forget_expired(self) -> None:
        now = asyncio.get_running_loop().time()
        for ask_id in [ask_id for ask_id, (_, expires) in self._out.items() if expires <= now]:
            del self._out[ask_id]
