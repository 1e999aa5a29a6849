"""A debate coordinator as an actor: one shard of the debates, driven by `aragora.debate.running.engine`.

It rebuilds its unfinished debates as soon as its process starts, whether the server starts it or Ray restarts it
after a crash. Ownership of the shard is an epoch in the store: the newest process has the highest, and one that was
cut off and comes back finds that it has been succeeded.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Final

import structlog

from actors.agent_shards import AgentShards
from actors.channels.agent_links import AgentLinks, Onlookers
from actors.channels.event_outlets import EventPolls, EventSocket
from actors.channels.sockets import Endpoint, endpoint_at
from actors.channels.watchers import Item, Watchers
from actors.gateways.knowledge import IndexMeanings
from actors.gateways.webhooks import wake_where_something_waits
from actors.kinds import COORDINATOR
from actors.runtime import ONCE, Runtime
from actors.served_here import refuse_unless_served_here
from actors.starting import Starting
from actors.virtual import VirtualActor
from aragora.agents.signs import TOKEN, Sign, message_of
from aragora.background import pauses, until_available
from aragora.config.settings import Settings
from aragora.debate.budget import BudgetRule, MonthlyLimits, micros_of
from aragora.debate.machine.gate import Signer, Word
from aragora.debate.model import Ask, DebateSpec, DebateStatus, Reply
from aragora.debate.proposition import Idempotency
from aragora.debate.records import SET_ASIDE, TOLD, Opened, Tenure
from aragora.debate.running.engine import DebateEngine, EnginePorts, Limits, Load
from aragora.debate.running.looks import Looks
from aragora.debate.sharding import owner
from aragora.debate.store.debates import DebateStore
from aragora.debate.store.journal_writer import JournalWriter
from aragora.debate.store.shard_epochs import ShardEpochs
from aragora.errors import Unavailable
from aragora.ids import new_id
from aragora.knowledge.checklists import Checklists
from aragora.knowledge.memories import Memories
from aragora.knowledge.questions import Questions
from aragora.knowledge.searching import Searching
from aragora.knowledge.source import BESIDE_SHARE, MoundSource
from aragora.knowledge.store.observations import Observations
from aragora.knowledge.store.reading import KnowledgeReader
from aragora.receipts.closing import Closing
from aragora.receipts.signing import load_signer
from aragora.resilience.backoff import Backoff
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.outbox import Consumer, OutboxRelay
from aragora.storage.outbox_store import OutboxStore
from aragora.supervision import begin
from aragora.webhooks.store.choices import EndpointChoices
from aragora.webhooks.telling import ChoiceTelling

log = structlog.get_logger("aragora.coordinator")

WRITE_AGAIN: Final = pauses(Backoff(base_s=0.05, cap_s=5.0))
READY_TIMEOUT_S: Final = 20.0
WAKE_S: Final = 2.0
INDEX_SHARE: Final = 0.6
"""Of the time of a look, for the index of meanings: then there is some left to offer what was found by words."""
SWITCH_S: Final = 0.0003
"""How long the loop may keep Python's lock from another thread. With the default of 5 ms the journal's thread, back
from the disk, waited longer for the lock than it had for the disk; see docs/performance.md."""


@dataclass(frozen=True, slots=True)
class _Parts:
    engine: DebateEngine
    links: AgentLinks
    writer: JournalWriter
    relay: OutboxRelay | None
    telling: ChoiceTelling


class CoordinatorActor(VirtualActor):
    """Shard number `key` of the debates."""

    def __init__(self, key: str, settings: Settings) -> None:
        super().__init__(key, settings)
        sys.setswitchinterval(SWITCH_S)
        self._shard = int(key)
        self._watchers = Watchers(settings.event_buffer_size, self._show)
        self._links: AgentLinks | None = None
        self._polls = EventPolls(self._watchers)
        self._socket = EventSocket(self._watchers)
        self._engine: DebateEngine | None = None
        self._relay: OutboxRelay | None = None
        self._waking: asyncio.Task[None] | None = None
        self._starting = Starting(  # each start takes the next epoch
            self._start,
            what="coordinator",
            pause_s=WRITE_AGAIN,
            limit_s=READY_TIMEOUT_S,
            told="the coordinator is still reading its debates from the store",
            log=log.bind(shard=self._shard),
        )

    async def ready(self) -> Load:
        """Returns once the unfinished debates are running again. Raises Unavailable where the store is away,
        Misconfigured where the coordinator cannot start."""
        return (await self._started()).engine.load()

    async def open(self, spec: DebateSpec, idempotency: Idempotency | None) -> Opened:
        """See `DebateEngine.open`."""
        return await (await self._started()).engine.open(spec, idempotency)

    async def cancel(self, debate_id: str, by: str) -> DebateStatus:
        """See `DebateEngine.cancel`."""
        return await (await self._started()).engine.cancel(debate_id, by)

    async def vote(self, debate_id: str, person: str, choice: str, intensity: int, vote_id: str) -> int:
        """See `DebateEngine.vote`."""
        return await (await self._started()).engine.vote(debate_id, person, choice, intensity, vote_id)

    async def sign(self, debate_id: str, signer: Signer, word: Word, signature_id: str) -> int:
        """See `DebateEngine.sign`."""
        return await (await self._started()).engine.sign(debate_id, signer, word, signature_id)

    async def correct(
        self, debate_id: str, person: str, groups: tuple[tuple[str, ...], ...], correction_id: str
    ) -> int:
        """See `DebateEngine.correct`."""
        return await (await self._started()).engine.correct(debate_id, person, groups, correction_id)

    async def suggest(self, debate_id: str, person: str, text: str, suggestion_id: str) -> int:
        """See `DebateEngine.suggest`."""
        return await (await self._started()).engine.suggest(debate_id, person, text, suggestion_id)

    async def watch(
        self, watcher: str, follow: tuple[str, ...], leave: tuple[str, ...], show: tuple[str, ...] = ()
    ) -> bytes:
        """See `EventPolls.poll`."""
        return await self._polls.poll(watcher, follow, leave, show)

    async def endpoint(self) -> Endpoint:
        """Where replicas of the same node may connect to follow debates (`actors.channels.event_outlets`)."""
        return await endpoint_at(self._socket.listen)

    async def choices_changed(self) -> None:
        """Read anew which events somebody waits for. Raises Unavailable."""
        await (await self._started()).telling.look()

    async def wake_outbox(self) -> None:
        """Another shard's outbox tells of events."""
        self._told()

    async def load(self) -> Load:
        """How busy the shard is."""
        return (await self._started()).engine.load()

    async def drain(self, limit_s: float) -> int:
        """Admit nothing more and let debates end for up to `limit_s` seconds; returns how many are left for the next
        start. When it returns, everything is on disk."""
        parts = await self._started()
        left = await parts.engine.drain(limit_s)
        parts.links.close()
        if parts.relay is not None:
            await parts.relay.aclose()
        await parts.telling.aclose()
        await parts.writer.aclose()
        self._socket.close()
        await self._close()
        log.info("drained", shard=self._shard, left=left)
        return left

    def _troubles(self) -> tuple[str, ...]:
        return (SET_ASIDE,) if self._engine is not None and self._engine.load().set_aside else ()

    async def _started(self) -> _Parts:
        return await self._starting.done()

    async def _start(self) -> _Parts:
        async with AsyncExitStack() as undo:
            parts = await self._begin(undo)
            undo.pop_all()
        return parts

    async def _begin(self, undo: AsyncExitStack) -> _Parts:
        """Start; `undo` gives back what was begun."""
        settings = self._settings

        def opened(context: Context) -> Database:
            database = self._open(context)
            undo.push_async_callback(self._give_back, database)
            return database

        database = opened(Context.DEBATES)
        await refuse_unless_served_here(database)
        epochs = ShardEpochs(database)
        epoch = await until_available(
            lambda: epochs.advance(self._shard), WRITE_AGAIN, what="store not reached", log=log, shard=self._shard
        )
        webhooks = opened(Context.WEBHOOKS)
        telling = ChoiceTelling(EndpointChoices(webhooks), self._told)
        await telling.look()
        writer = JournalWriter(database, tenure=Tenure(self._shard, epoch), telling=telling)
        undo.push_async_callback(writer.aclose)
        signer = await asyncio.to_thread(
            load_signer,
            settings.receipt_signing_key.get_secret_value() if settings.receipt_signing_key else None,
            settings.data_dir,
        )
        self._links = links = AgentLinks(
            new_id(f"coordinator-{self._shard}"),
            Runtime(settings),
            AgentShards.of(self._shard, coordinators=settings.coordinator_shards, shards=settings.agent_shards),
            self._receive,
            Onlookers(self._watchers.shown, self._take_sign),
        )
        undo.callback(links.close)

        async def owned() -> bool:
            return await epochs.current(self._shard) == epoch

        self._engine = engine = DebateEngine(
            EnginePorts(
                journal=writer,
                reader=DebateStore(database),
                asking=links,
                publishing=self._watchers,
                clock=self._clock,
                closing=Closing(signer, knowledge=settings.knowledge),
                pause_s=WRITE_AGAIN,
                owned=owned,
                knowledge=self._looks(opened) if settings.knowledge else None,
            ),
            _limits(settings),
        )
        undo.push_async_callback(engine.drain, 0.0)
        self._relay = relay = self._new_relay(
            database, writer, opened
        )  # before debates go on: what it imports would block them
        recovered = await until_available(
            lambda: engine.recover(self._owns), WRITE_AGAIN, what="store not reached", log=log, shard=self._shard
        )
        log.info("coordinator ready", shard=self._shard, epoch=epoch, recovered=recovered)
        if relay is not None:
            relay.start()
            begin(wake_where_something_waits(Runtime(settings), webhooks), "looking for webhooks that wait")
        telling.start()
        undo.push_async_callback(telling.aclose)
        return _Parts(engine, links, writer, relay, telling)

    def _looks(self, opened: Callable[[Context], Database]) -> Looks:
        """The looks for knowledge of this shard's debates."""
        memory = opened(Context.MEMORY)
        noted, reader = Observations(memory), KnowledgeReader(memory)
        limit_s = self._settings.knowledge_look_s
        meanings = IndexMeanings(Runtime(self._settings), limit_s=limit_s * INDEX_SHARE)
        searching, summaries = Searching(reader, meanings, self._clock), self._settings.enable_rlm_summaries
        source = MoundSource(
            reader,
            searching,
            Memories(noted, self._clock),
            self._clock,
            checking=Checklists(noted, reader, self._clock),
            believing=Questions(noted, reader, self._clock),
            summaries=summaries,
            beside_s=limit_s * BESIDE_SHARE,
        )
        return Looks(source, limit_s=limit_s)

    def _new_relay(
        self, database: Database, writer: JournalWriter, opened: Callable[[Context], Database]
    ) -> OutboxRelay | None:
        """The outbox of all shards on its way to its consumers: shard 0 sees to it."""
        if self._shard != 0:
            return None
        consumers: Mapping[str, Consumer] = COORDINATOR.bring(opened, self._settings)
        return OutboxRelay(OutboxStore(database), writer, consumers)

    def _told(self) -> None:
        """The outbox tells of events: shard 0 brings them on."""
        if self._relay is not None:
            self._relay.wake(TOLD)
        elif self._shard != 0 and (self._waking is None or self._waking.done()):
            self._waking = begin(self._wake_first(), "waking the outbox")

    async def _wake_first(self) -> None:
        """What is not heard is found within half a second."""
        first = Runtime(self._settings).at(COORDINATOR, "0")
        with suppress(Unavailable):
            await first.ask(lambda it: it.wake_outbox(), timeout_s=WAKE_S, backoff=ONCE)

    def _receive(self, debate_id: str, replies: Sequence[Reply]) -> None:
        if self._engine is not None:
            self._engine.receive(debate_id, replies)

    def _show(self, debate_id: str) -> None:
        if self._links is not None:
            self._links.show(debate_id)

    def _take_sign(self, ask: Ask, sign: Sign) -> None:
        """An agent works on `ask`: while the debate waits for it, who follows may see what it has written."""
        awaited = self._engine is not None and self._engine.alive(ask.debate_id, ask.ask_id)
        if awaited and ask.debate_id in self._watchers.shown:
            self._watchers.tell(Item(ask.debate_id, 0, TOKEN, message_of(ask, sign, self._clock.now())))

    def _owns(self, debate_id: str) -> bool:
        return owner(debate_id, self._settings.coordinator_shards) == self._shard


def _limits(settings: Settings) -> Limits:
    org, installation = settings.org_month_usd, settings.installation_month_usd
    budgets = MonthlyLimits(
        org=None if org is None else micros_of(org),
        installation=None if installation is None else micros_of(installation),
    )
    least = BudgetRule(settings.default_budget_usd, settings.max_budget_usd).usual_usd
    return Limits(settings.max_active_debates, settings.max_queued_debates, settings.places_share, budgets, least)
