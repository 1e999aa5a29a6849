"""The coordinator's side of the exchange with agents: one link per agent (shard), batched, resent after a crash.

Rules of a link
- Asks of one loop turn travel together, in batches as large as the channel likes them.
- An agent whose process died is activated again and gets every unanswered ask: asks carry ids, so one that it had
  answered already is answered again from its memory or asked anew, and counts once.
- An ask whose time is over is forgotten: the debate has closed its phase without it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Final
from zlib import crc32

import structlog

from actors.channels.agent_channels import Channel, Listener, open_channel
from actors.kinds import AGENT
from actors.runtime import RESTARTS, Reference, Runtime
from aragora.background import pauses, until_available
from aragora.debate.model import AgentRequest, Reply
from aragora.errors import AragoraError
from aragora.supervision import begin

if TYPE_CHECKING:
    from actors.agent import AgentActor

log = structlog.get_logger("aragora.coordinator")

EXPIRY_S: Final = 5.0  # how often asks whose time is over are forgotten

_PAUSES: Final = pauses(RESTARTS)

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
            link = self._links[key] = AgentLink(self._asker, self._runtime.at(AGENT, key), self._receive)
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

    def __init__(self, asker: str, agent: Reference[AgentActor], receive: Receive) -> None:
        self._asker = asker
        self._agent = agent
        self._receive = receive
        self._outbox: list[AgentRequest] = []
        self._unanswered: dict[str, tuple[AgentRequest, float]] = {}  # by ask, with the loop time it expires
        self._by_debate: dict[str, set[str]] = {}
        self._withdrawn: list[str] = []
        self._channel: Channel | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._flushing = False
        self._failures = 0
        self._expired_at = 0.0
        self._closed = False

    def send(self, request: AgentRequest) -> None:
        self._outbox.append(request)
        if self._channel is not None and len(self._outbox) >= self._channel.batch:
            self._flush()
        else:
            self._flush_soon()

    def withdraw(self, debate_id: str) -> None:
        ask_ids = self._by_debate.pop(debate_id, None)
        if ask_ids:
            for ask_id in ask_ids:
                del self._unanswered[ask_id]
            self._withdrawn.append(debate_id)
            self._flush_soon()
        if self._outbox:
            self._outbox = [request for request in self._outbox if request.ask.debate_id != debate_id]

    def close(self) -> None:
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
        if self._channel is not None:
            self._channel.close()

    def _flush_soon(self) -> None:
        if not self._flushing and not self._closed:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        if self._closed:
            return
        loop = asyncio.get_running_loop()
        if self._channel is None:
            if self._connecting is None:
                self._connecting = begin(self._connect(), "link to an agent")
            return
        now = loop.time()
        outbox, self._outbox = self._outbox, []
        withdrawn, self._withdrawn = self._withdrawn, []
        if not outbox and not withdrawn:
            return
        for request in outbox:
            self._unanswered[request.ask.ask_id] = (request, now + request.timeout_s)
            self._by_debate.setdefault(request.ask.debate_id, set()).add(request.ask.ask_id)
        batch = self._channel.batch
        for start in range(0, max(1, len(outbox)), batch):
            self._channel.send(withdrawn if start == 0 else (), outbox[start : start + batch])
        if now - self._expired_at > EXPIRY_S:
            self._expired_at = now
            self._forget_expired(now)

    async def _connect(self) -> None:
        try:
            self._channel = await until_available(
                self._open_channel,
                lambda _: _PAUSES(self._failures - 1),
                what="agent not reached",
                log=log,
                retried=Exception,
                agent=self._agent.key,
            )
        finally:
            self._connecting = None
        self._flush_soon()

    async def _open_channel(self) -> Channel:
        """A failure counts until the agent replies, so that one whose channels open and break at once gets pauses
        too."""
        listener = Listener(self._deliver, self._lost, lambda: bool(self._unanswered))
        try:
            return await open_channel(self._agent, self._asker, listener)
        except AragoraError:
            self._agent.forget()
            self._failures += 1
            raise

    def _deliver(self, replies: Sequence[Reply]) -> None:
        self._failures = 0
        wanted = []
        for reply in replies:
            sent = self._unanswered.pop(reply.ask_id, None)
            if sent is not None:
                debate_id = sent[0].ask.debate_id
                self._forget(debate_id, reply.ask_id)
                wanted.append((debate_id, reply))
        wanted.sort(key=lambda pair: pair[0])
        for debate_id, group in groupby(wanted, key=lambda pair: pair[0]):
            self._receive(debate_id, [reply for _, reply in group])

    def _lost(self, error: AragoraError) -> None:
        """The agent's process or the way to it is gone: connect again and send every unanswered ask again."""
        self._channel = None
        self._agent.forget()
        if self._closed:
            return
        self._forget_expired(asyncio.get_running_loop().time())
        again = [request for request, _ in self._unanswered.values()]
        self._unanswered.clear()
        self._by_debate.clear()
        self._outbox = again + self._outbox
        log.warning("agent lost", agent=self._agent.key, error=error.message, resend=len(again))
        if self._outbox:
            self._flush_soon()

    def _forget(self, debate_id: str, ask_id: str) -> None:
        ask_ids = self._by_debate.get(debate_id)
        if ask_ids is not None:
            ask_ids.discard(ask_id)
            if not ask_ids:
                del self._by_debate[debate_id]

    def _forget_expired(self, now: float) -> None:
        for ask_id in [ask_id for ask_id, (_, expires) in self._unanswered.items() if expires <= now]:
            request, _ = self._unanswered.pop(ask_id)
            self._forget(request.ask.debate_id, ask_id)
