"""An agent as an actor: takes batches of asks, answers them concurrently, hands replies back in batches.

Coordinators of the same node connect to its socket (`endpoint`), others call `exchange`, which brings new asks and
returns as soon as replies are ready, whichever asks they belong to. While an ask is worked on, its signs
(`aragora.agents.signs`) go the same way.

An ask that comes twice (its coordinator restarted, a message was lost) is answered once: while it is being
answered the second only says where the reply goes, afterwards the reply is repeated from memory.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from actors.channels.agent_outlets import POLL_S, AgentSocket, Mailbox, Outlet
from actors.channels.sockets import Endpoint, endpoint_at
from actors.circuit_breaker import StoredBreaker
from actors.runtime import Runtime
from actors.virtual import VirtualActor
from aragora.agents import wire
from aragora.agents.answering import Answering
from aragora.agents.catalog import Catalog, build_fallback, build_provider
from aragora.agents.gate import LeasedGate
from aragora.agents.model import AgentSpec, ProviderFault
from aragora.agents.signs import Sign, Signs
from aragora.config.settings import Settings
from aragora.debate.model import AgentFailure, AgentRequest, Reply
from aragora.errors import AragoraError
from aragora.observability.line_budget import LineBudget
from aragora.supervision import begin

log = structlog.get_logger("aragora.agent")

REMEMBERED: Final = 4_000  # replies kept for asks that come again: more than wait for their commit at any time
ASKERS: Final = 64  # mailboxes kept: each start of a coordinator has its own, so the oldest belong to dead ones


class AgentActor(VirtualActor):
    """One agent (or one shard of it). `key` is `NAME` or `NAME#SHARD`."""

    def __init__(self, key: str, settings: Settings) -> None:
        super().__init__(key, settings)
        self._name = key.partition("#")[0]
        self._catalog = Catalog(settings)
        self._roster = self._catalog.roster()
        self._spec: AgentSpec | None = None
        self._answering: Answering | None = None
        self._replaced: list[Answering] = []  # of earlier declarations, while they still answer
        self._socket = AgentSocket(self._take, self._show)
        self._mailboxes: OrderedDict[str, Mailbox] = OrderedDict()
        self._working: dict[str, _Work] = {}  # by ask id
        self._answered: OrderedDict[str, Reply] = OrderedDict()
        self._unready = LineBudget.seldom()

    async def endpoint(self) -> Endpoint:
        """The socket to which coordinators of the same node may connect."""
        self._used()
        return await endpoint_at(self._socket.listen)

    async def exchange(
        self, asker: str, batch: bytes, withdrawn: tuple[str, ...] = (), shown: tuple[str, ...] = ()
    ) -> bytes:
        """Take a batch of asks (`wire.encode_requests`, or empty) of the coordinator `asker`; returns the replies and
        signs that are ready, as `wire.encode_replies`. `withdrawn` names debates whose answers are no longer wanted,
        `shown` those that somebody follows as they are written."""
        mailbox = self._mailbox(asker)
        unpacked = wire.decode_requests(batch) if batch else wire.UnpackedRequests([], [])
        self._take(withdrawn, unpacked.requests, mailbox)
        for failure in unpacked.refused:
            mailbox.put(failure)
        if shown:
            self._show(shown)
        if batch:
            await asyncio.sleep(0)  # answers that are ready at once are part of this reply already
        told = await mailbox.take(POLL_S)
        return wire.encode_replies(told.replies, told.signs) if told.replies or told.signs else b""

    def _take(self, withdrawn: Sequence[str], requests: Sequence[AgentRequest], outlet: Outlet) -> None:
        self._used()
        for debate_id in withdrawn:
            self._withdraw(debate_id)
        if not requests:
            return
        try:
            answering = self._ready()
        except Exception as error:  # noqa: BLE001  no agent can be made of the settings: each ask must learn it, once
            self._refuse(requests, outlet, error)
            return
        loop = asyncio.get_running_loop()
        for request in requests:
            ask_id = request.ask.ask_id
            if ask_id in self._answered:
                outlet.put(self._answered[ask_id])
                continue
            work = self._working.get(ask_id)
            if work is not None:
                work.outlet = outlet
                continue
            signs = Signs(ask_id, loop.time, loop.call_later, self._send_sign)
            task = loop.create_task(answering.answer(request, signs), name=ask_id)
            self._working[ask_id] = _Work(request.ask.debate_id, task, outlet, signs)
            task.add_done_callback(self._done)

    def _show(self, debate_ids: Sequence[str]) -> None:
        for work in self._working.values():
            if work.debate_id in debate_ids:
                work.signs.show()

    def _send_sign(self, sign: Sign) -> None:
        work = self._working.get(sign.ask_id)
        if work is not None:
            work.outlet.show(sign)

    def _done(self, task: asyncio.Task[Reply]) -> None:
        ask_id = task.get_name()
        work = self._working.pop(ask_id)
        work.signs.over()
        outlet = work.outlet
        if self._replaced and not self._working:
            begin(self._close_replaced(), "agent replaced")
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            log.error("an answer failed unexpectedly", agent=self._name, ask_id=ask_id, exc_info=error)
            outlet.put(_broken(ask_id, self._name, error))
            return
        self._answered[ask_id] = task.result()
        if len(self._answered) > REMEMBERED:
            self._answered.popitem(last=False)
        outlet.put(task.result())

    def _refuse(self, requests: Sequence[AgentRequest], outlet: Outlet, error: Exception) -> None:
        more = self._unready.take(self._clock.monotonic())
        if more is not None:
            log.error("the agent cannot be made", agent=self._name, error=repr(error)[:300], **more)
        for request in requests:
            outlet.put(_broken(request.ask.ask_id, self._name, error))

    def _withdraw(self, debate_id: str) -> None:
        for work in self._working.values():
            if work.debate_id == debate_id:
                work.answering.cancel()

    def _mailbox(self, asker: str) -> Mailbox:
        mailbox = self._mailboxes.get(asker)
        if mailbox is None:
            mailbox = self._mailboxes[asker] = Mailbox()
            if len(self._mailboxes) > ASKERS:
                self._mailboxes.popitem(last=False)
        return mailbox

    def _ready(self) -> Answering:
        """Who answers now: made anew where agents.toml declares this agent otherwise than before. Raises AragoraError
        where there is no such agent, or what it needs is not set."""
        roster = self._catalog.roster()
        if self._answering is not None and roster is self._roster:
            return self._answering
        spec = roster.spec_of(self._name)
        if self._answering is None or spec != self._spec:
            made = self._made(spec)
            if self._answering is not None:
                self._replaced.append(self._answering)
            self._answering, self._spec = made, spec
        self._roster = roster
        return self._answering

    def _made(self, spec: AgentSpec) -> Answering:
        return Answering(
            spec,
            build_provider(spec, self._settings),
            build_fallback(spec, self._settings),
            LeasedGate(StoredBreaker(self._name, Runtime(self._settings), self._settings), self._clock),
            self._clock,
        )

    async def _close_replaced(self) -> None:
        while self._replaced:
            await self._replaced.pop().aclose()

    def _busy(self) -> bool:
        return bool(self._working)

    async def _close(self) -> None:
        await self._close_replaced()
        if self._answering is not None:
            await self._answering.aclose()
        self._socket.close()
        await super()._close()


def _broken(ask_id: str, agent: str, error: BaseException) -> AgentFailure:
    """The failure of an ask for an error that the agent did not foresee; only an own error's code and text are told."""
    if isinstance(error, AragoraError):
        return AgentFailure(ask_id, agent, error.code, error.message)
    return AgentFailure(ask_id, agent, ProviderFault.code, f"unexpected {type(error).__name__}; see the log")


@dataclass(slots=True)
class _Work:
    """An ask that is being answered: the debate it belongs to, where its reply goes, and its signs."""

    debate_id: str
    answering: asyncio.Task[Reply]
    outlet: Outlet
    signs: Signs
