"""The coordinator's side of the exchange with agents: one link per agent (shard), batched, resent after a crash.

Rules of a link
- Asks of one loop turn travel together, in batches as large as the channel likes them.
- An agent whose process died is activated again and gets every unanswered ask: asks carry ids, so one that it had
  answered already is answered again from its memory or asked anew, and counts once.
- A channel that is lost before it brought an answer is opened again after a pause, which grows until one does.
- An ask that keeps killing the agent ends as a failure (`agent_lost`), and those beside it do not share its fate:
  `actors.channels.suspects` says which asks go out alone. While suspects are tried, everything else waits.
- A channel takes asks as fast as the agent reads them; the rest waits here.
- An ask whose time is over is forgotten, sent or not: the debate has closed its phase without it.
- A debate that cannot take its replies does not keep others from theirs.
- An agent learns which of its debates somebody follows as they are written with the asks, or later (`show`). Signs of
  asks that are not open here any more are dropped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

import structlog

from actors.agent_shards import AgentShards
from actors.channels.agent_channels import Channel, Listener, open_channel
from actors.channels.suspects import Asked, Suspects
from actors.kinds import AGENT
from actors.runtime import RESTARTS, Reference, Runtime
from aragora.agents.signs import Sign
from aragora.background import pauses, until_available
from aragora.debate.model import AGENT_LOST, AgentFailure, AgentRequest, Ask, Reply
from aragora.errors import AragoraError, Unavailable
from aragora.observability.line_budget import LineBudget
from aragora.supervision import begin

if TYPE_CHECKING:
    from actors.agent import AgentActor

log = structlog.get_logger("aragora.coordinator")

EXPIRY_S: Final = 5.0  # how often asks whose time is over are forgotten

_PAUSES: Final = pauses(RESTARTS)

Receive = Callable[[str, Sequence[Reply]], None]


@dataclass(frozen=True, slots=True)
class Onlookers:
    """Who follows debates while their agents write: which ones are `shown`, and who takes the signs."""

    shown: AbstractSet[str]
    take: Callable[[Ask, Sign], None]


NO_ONLOOKERS: Final = Onlookers(frozenset(), lambda _ask, _sign: None)


class AgentLinks:
    """Fulfils `aragora.debate.ports.Asking` over agent actors; replies go to `receive(debate_id, replies)`."""

    def __init__(
        self, asker: str, runtime: Runtime, shards: AgentShards, receive: Receive, onlookers: Onlookers = NO_ONLOOKERS
    ) -> None:
        self._asker = asker
        self._onlookers = onlookers
        self._runtime = runtime
        self._shards = shards
        self._receive = receive
        self._links: dict[str, AgentLink] = {}

    def send(self, request: AgentRequest) -> None:
        key = self._shards.key(request.ask.agent, request.ask.debate_id)
        link = self._links.get(key)
        if link is None:
            link = self._links[key] = AgentLink(
                self._asker, self._runtime.at(AGENT, key), self._receive, self._onlookers
            )
        link.send(request)

    def withdraw(self, debate_id: str) -> None:
        for link in self._links.values():
            link.withdraw(debate_id)

    def show(self, debate_id: str) -> None:
        """Somebody begins to follow this debate while its agents write."""
        for link in self._links.values():
            link.show(debate_id)

    def close(self) -> None:
        for link in self._links.values():
            link.close()


class AgentLink:
    """The link to one agent actor."""

    def __init__(self, asker: str, agent: Reference[AgentActor], receive: Receive, onlookers: Onlookers) -> None:
        self._asker = asker
        self._agent = agent
        self._receive = receive
        self._onlookers = onlookers
        self._outbox: list[Asked] = []
        self._suspects = Suspects()
        # What is still to be sent of the suspects that are tried; None: no trial.
        self._trial: list[Asked] | None = None
        self._unanswered: dict[str, Asked] = {}  # by ask
        self._by_debate: dict[str, set[str]] = {}
        self._withdrawn: list[str] = []
        self._to_show: list[str] = []  # debates with asks at the agent
        self._channel: Channel | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._flushing = False
        self._failures = 0  # openings and losses since the last answer
        self._losses = LineBudget.seldom()
        self._untaken = LineBudget.seldom()
        self._expired_at = 0.0
        self._closed = False

    def send(self, request: AgentRequest) -> None:
        self._outbox.append(Asked(request, asyncio.get_running_loop().time() + request.timeout_s))
        channel = self._channel
        if channel is not None and self._trial is None and channel.ready and len(self._outbox) >= channel.batch:
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
            self._outbox = [asked for asked in self._outbox if asked.debate_id != debate_id]
        if self._suspects:
            self._suspects.withdraw(debate_id)
        if self._trial is not None:
            self._trial = [asked for asked in self._trial if asked.debate_id != debate_id]
            self._flush_soon()

    def show(self, debate_id: str) -> None:
        if debate_id in self._by_debate:
            self._to_show.append(debate_id)
            self._flush_soon()

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
        self._drop_expired(now)
        if self._withdrawn:
            withdrawn, self._withdrawn = self._withdrawn, []
            self._channel.send(withdrawn, ())
        if self._to_show:
            shown, self._to_show = self._to_show, []
            self._channel.send((), (), shown)
        if self._trial is not None or now - self._expired_at > EXPIRY_S:
            self._expired_at = now
            self._forget_expired(now)
        if self._trial is not None and not self._trial and not self._unanswered:
            self._trial = None
        if self._trial is None and (group := self._suspects.next(now)):
            self._trial = group
            loop.call_at(max(asked.expires for asked in group), self._flush_soon)
        if self._trial is not None:
            self._trial = self._sent(self._channel, self._trial)
        else:
            self._outbox = self._sent(self._channel, self._outbox)

    def _sent(self, channel: Channel, asks: list[Asked]) -> list[Asked]:
        """Send of `asks` what the channel takes now; returns the rest, for which it will say that it is ready."""
        start = 0
        while start < len(asks) and channel.ready:
            batch = asks[start : start + channel.batch]
            start += len(batch)
            for asked in batch:
                self._unanswered[asked.ask_id] = asked
                self._by_debate.setdefault(asked.debate_id, set()).add(asked.ask_id)
            channel.send((), [asked.request for asked in batch], self._shown(batch))
        return asks[start:]

    def _shown(self, batch: Sequence[Asked]) -> Sequence[str]:
        shown = self._onlookers.shown
        return tuple({asked.debate_id for asked in batch if asked.debate_id in shown}) if shown else ()

    async def _connect(self) -> None:
        try:
            if self._failures:
                await asyncio.sleep(_PAUSES(self._failures - 1))
            self._channel = await until_available(
                self._open_channel,
                lambda _: _PAUSES(self._failures - 1),
                what="agent not reached",
                log=log,
                retried=Exception,
                given_up=self._nothing_to_send,
                agent=self._agent.key,
            )
        except Exception:  # noqa: BLE001  told already; every ask has run out of time, and the next one tries again
            return
        finally:
            self._connecting = None
        self._flush_soon()

    async def _open_channel(self) -> Channel:
        """Raises AragoraError, whatever went wrong."""
        listener = Listener(self._deliver, self._hear, self._lost, lambda: bool(self._unanswered), self._flush_soon)
        try:
            return await open_channel(self._agent, self._asker, listener)
        except AragoraError:
            self._not_opened()
            raise
        except Exception as error:
            self._not_opened()
            raise Unavailable(f"the way to {self._agent.name} broke: {type(error).__name__}") from error

    def _not_opened(self) -> None:
        self._agent.forget()
        self._failures += 1

    def _nothing_to_send(self) -> bool:
        self._drop_expired(asyncio.get_running_loop().time())
        # Whoever is told of nothing but withdrawals answers in vain, no more.
        return not self._outbox and not self._suspects

    def _deliver(self, replies: Sequence[Reply]) -> None:
        wanted = []
        for reply in replies:
            asked = self._unanswered.pop(reply.ask_id, None)
            if asked is not None:
                self._forget(asked)
                wanted.append((asked.debate_id, reply))
        if wanted:
            self._failures = 0
            self._suspects.answered()
            self._hand_on(wanted)
        if self._trial is not None and not self._unanswered:
            self._flush_soon()

    def _hear(self, signs: Sequence[Sign]) -> None:
        for sign in signs:
            asked = self._unanswered.get(sign.ask_id)
            if asked is not None:
                self._onlookers.take(asked.request.ask, sign)

    def _hand_on(self, replies: list[tuple[str, Reply]]) -> None:
        """Each debate gets its own."""
        replies.sort(key=lambda pair: pair[0])
        for debate_id, group in groupby(replies, key=lambda pair: pair[0]):
            try:
                self._receive(debate_id, [reply for _, reply in group])
            except Exception:
                more = self._untaken.take(asyncio.get_running_loop().time())
                if more is not None:
                    log.exception("a debate could not take its replies", debate_id=debate_id, **more)

    def _lost(self, error: AragoraError) -> None:
        """The agent's process or the way to it is gone: connect again and send again what is not given up."""
        self._channel = None
        self._agent.forget()
        if self._closed:
            return
        now = asyncio.get_running_loop().time()
        self._failures += 1
        self._forget_expired(now)
        if self._trial is not None:
            self._suspects.put_back(self._trial)
            self._trial = None
        open_asks = list(self._unanswered.values())
        self._unanswered.clear()
        self._by_debate.clear()
        self._to_show.clear()  # they are named again with the asks
        lost = self._suspects.lost(open_asks)
        self._outbox = lost.again + self._outbox
        more = self._losses.take(now)
        if more is not None:
            log.warning(
                "agent lost",
                agent=self._agent.key,
                error=error.message,
                resend=len(open_asks) - len(lost.given_up),
                given_up=len(lost.given_up),
                **more,
            )
        if self._outbox or self._suspects:
            self._flush_soon()
        self._hand_on([(asked.debate_id, self._lost_too_often(asked)) for asked in lost.given_up])

    def _lost_too_often(self, asked: Asked) -> Reply:
        agent = asked.request.ask.agent
        message = f"the agent was lost {asked.losses} times while it had this ask; the server's log says why"
        return AgentFailure(asked.ask_id, agent, AGENT_LOST, message)

    def _forget(self, asked: Asked) -> None:
        ask_ids = self._by_debate.get(asked.debate_id)
        if ask_ids is not None:
            ask_ids.discard(asked.ask_id)
            if not ask_ids:
                del self._by_debate[asked.debate_id]

    def _forget_expired(self, now: float) -> None:
        for asked in [asked for asked in self._unanswered.values() if asked.expires <= now]:
            del self._unanswered[asked.ask_id]
            self._forget(asked)

    def _drop_expired(self, now: float) -> None:
        if self._outbox:
            self._outbox = [asked for asked in self._outbox if asked.expires > now]
        if self._suspects:
            self._suspects.drop_expired(now)
        if self._trial:
            self._trial = [asked for asked in self._trial if asked.expires > now]
