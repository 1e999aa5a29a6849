"""The Knowledge Mound in a program of the operator's: over the store of the settings, with a server beside it or none.

Whoever runs it has the settings of the installation, and acts as its local operator (`LOCAL_OPERATOR`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

import structlog

from aragora.clock import Clock, SystemClock
from aragora.composition.opened_on_use import OpenedOnUse
from aragora.config.settings import Settings, settings_in
from aragora.debate.hints import OfferedCrux, OfferedIssue, OfferedPrior
from aragora.debate.model import DebateSpec
from aragora.debate.protocol import PRESETS
from aragora.debate.store.debates import DebateStore
from aragora.errors import NotFound, Unavailable
from aragora.identity.audit import AuditEvent, Outcome
from aragora.identity.auditing import audited
from aragora.identity.principal import LOCAL_OPERATOR
from aragora.identity.store.audit_log import AuditLog
from aragora.identity.store.workspaces import WorkspaceStore
from aragora.knowledge.adapting import EVERY, at_work
from aragora.knowledge.asked import AskedOfLate, Trending
from aragora.knowledge.checklists import Checklists
from aragora.knowledge.insight_exchange import LISTED_MAX, InsightExchange, Share, exchange_over
from aragora.knowledge.insights import CrossWorkspaceInsight, SharedInsight, checked, share_id_of
from aragora.knowledge.model import Home, Item, ItemKind
from aragora.knowledge.near import Near
from aragora.knowledge.observations import Observation
from aragora.knowledge.precedents import Precedents, Settled
from aragora.knowledge.questions import Questions
from aragora.knowledge.revalidations import DebatedAgain, Revalidations
from aragora.knowledge.searching import Mode, Searching
from aragora.knowledge.store.adapters import AdapterBook
from aragora.knowledge.store.observations import Observations
from aragora.knowledge.store.reading import KnowledgeReader
from aragora.knowledge.store.revalidations import RevalidationStore
from aragora.knowledge.syncing import Syncing
from aragora.knowledge.syncs import Standing, Synced
from aragora.knowledge.wanted import Wanted
from aragora.migrations.applying import apply_pending
from aragora.observability.registry import Registry
from aragora.storage.contexts import Context
from aragora.storage.counters import CounterStore
from aragora.storage.database import Database
from aragora.storage.outbox_store import OutboxStore

log = structlog.get_logger("aragora.knowledge")


@dataclass(frozen=True, slots=True)
class _Open:
    """What stands open."""

    exchange: InsightExchange
    audit: AuditLog
    book: AdapterBook
    adapters: Mapping[str, Syncing]
    reader: KnowledgeReader
    observations: Observations
    searching: Searching
    checklists: Checklists
    precedents: Precedents
    asked: AskedOfLate
    questions: Questions
    revalidations: Revalidations
    registry: Registry
    counters: CounterStore
    closing: AsyncExitStack


class LocalMound(OpenedOnUse[_Open]):
    """The mound of one organisation. Opens with its first use, and belongs to the event loop of that; an async context
    manager, which closes it.

    Every method raises Misconfigured for a wrong environment and Unavailable where the store is away.
    """

    def __init__(self, org_id: str, settings: Settings | None) -> None:
        """`settings` None are those of the environment."""
        self._org_id = org_id
        self._settings = settings
        super().__init__()
        self._clock = SystemClock()

    async def share_insight(self, workspace: str, insight: CrossWorkspaceInsight) -> Share:
        """Share an insight of a workspace. Raises as `InsightExchange.share`."""
        opened, told = await self._opened(), checked(insight)
        targets = ",".join(told.target_workspaces)
        async with self._noted(opened, "share", workspace, told.insight_id, source=workspace, targets=targets):
            done = await opened.exchange.share(Home(self._org_id, workspace), LOCAL_OPERATOR.user_id, told)
        await _count(opened)
        return done

    async def received_insights(
        self, workspace: str, *, task_type: str | None = None, limit: int = LISTED_MAX
    ) -> Sequence[SharedInsight]:
        """What other workspaces share with this one, newest first."""
        opened = await self._opened()
        page = await opened.exchange.received(Home(self._org_id, workspace), task_type=task_type, limit=limit)
        return page.items

    async def withdraw_insight(self, workspace: str, insight_id: str) -> SharedInsight:
        """The insight of a workspace once nobody is given it any more. Raises as `InsightExchange.withdraw`."""
        opened = await self._opened()
        scope = Home(self._org_id, workspace).scope
        async with self._noted(opened, "withdraw", workspace, insight_id) as share_id:
            return await opened.exchange.withdraw(scope, share_id)

    def now(self) -> float:
        """The time, in seconds since the epoch."""
        return self._clock.now()

    async def standing(self, adapter: str) -> Standing:
        """How far an adapter has come. Raises NotFound."""
        (standing,) = await (await self._opened()).book.standings((_known(adapter),))
        return standing

    async def sync(self, adapter: str) -> Synced:
        """Have an adapter learn what waits for it, in this process; beside a server, whose own then finds it learnt.
        Raises NotFound."""
        return await (await self._opened()).adapters[_known(adapter)].sync()

    async def noted(self, workspace: str, adapter: str, keys: Collection[str], limit: int) -> list[Observation]:
        """The newest of what an adapter noted under these keys."""
        opened = await self._opened()
        return await opened.observations.newest_of(Home(self._org_id, workspace), adapter, keys, limit)

    async def items(self, workspace: str, item_ids: Sequence[str]) -> list[Item]:
        """Of up to some hundred items those that a workspace may know of."""
        scope = Home(self._org_id, workspace).scope
        return await (await self._opened()).reader.some(scope, item_ids)

    async def checklist(self, workspace: str, domain: str) -> Sequence[OfferedIssue]:
        """What critics of a debate of the domain are to check."""
        return await (await self._opened()).checklists.of(Home(self._org_id, workspace), domain)

    async def question(
        self, workspace: str, question: str, options: Sequence[str]
    ) -> tuple[Sequence[OfferedPrior], Sequence[OfferedCrux]]:
        """How likely the positions of a question are, and what is open."""
        return await (await self._opened()).questions.of(self._asked(workspace, question, options))

    async def settled(self, workspace: str, question: str) -> Settled | str:
        """What a question was settled on, or in words why nothing is told."""
        return await (await self._opened()).precedents.settled(self._asked(workspace, question, ()))

    async def revalidations(self, workspace: str, limit: int) -> Sequence[DebatedAgain]:
        """What the server debates again by itself in a workspace."""
        scope = Home(self._org_id, workspace).scope
        return await (await self._opened()).revalidations.of(scope, limit)

    async def trending(self, workspace: str, days: int, limit: int) -> Trending:
        """What a workspace asks about of late. Raises InvalidInput."""
        return await (await self._opened()).asked.topics(Home(self._org_id, workspace), days, limit)

    async def find(self, workspace: str, question: str, kinds: Collection[ItemKind], limit: int) -> list[Item]:
        """Up to `limit` items of these kinds that belong to a question, the best first, by its words: the index of
        meanings belongs to the server. Raises InvalidInput."""
        scope = Home(self._org_id, workspace).scope
        searching = (await self._opened()).searching
        answer = await searching.search(scope, question, k=limit, mode=Mode.LEXICAL, wanted=Wanted(kinds=tuple(kinds)))
        return [one.item for one in answer.results]

    @asynccontextmanager
    async def _noted(
        self, opened: _Open, action: str, workspace: str, insight_id: str, **details: str
    ) -> AsyncIterator[str]:
        """Write to the audit log what is done with an insight, then do the block, which is given its share id. The
        routes of a server write the same. Raises Unavailable: what cannot be audited is not done."""
        share_id = share_id_of(self._org_id, workspace, insight_id)

        async def note(outcome: Outcome, /, **of: str) -> None:
            operator = LOCAL_OPERATOR.user_id
            event = AuditEvent(
                action=f"knowledge.insight.{action}",
                actor=operator,
                org_id=self._org_id,
                outcome=outcome,
                subject=operator,
                target=share_id,
                details=of,
            )
            await opened.audit.append(event)

        async with audited(note, **details):
            yield share_id

    def _asked(self, workspace: str, question: str, options: Sequence[str]) -> DebateSpec:
        """A debate of a question, which is not opened."""
        protocol = PRESETS["structured"]
        asked = DebateSpec("", question, (), protocol, seed=0, options=tuple(options), workspace=workspace)
        return replace(asked, org_id=self._org_id)

    async def _open_all(self) -> _Open:
        return await _open(self._settings or settings_in(None), self._clock)


class _NoIndex:
    """In place of the index of meanings, which a program of the operator's does not load."""

    async def nearest(self, *_: object) -> Near:
        raise Unavailable("the index of meanings belongs to the server: words alone are searched")


def _known(adapter: str) -> str:
    if adapter not in EVERY:
        named = ", ".join(sorted(EVERY))
        raise NotFound(f"there is no adapter {adapter!r}: there are {named}", code="unknown_adapter")
    return adapter


async def _open(settings: Settings, clock: Clock) -> _Open:
    await apply_pending(settings)
    contexts = (Context.MEMORY, Context.USERS, Context.CORE, Context.DEBATES, Context.SCHEDULE)
    memory, users, core, debates, schedule = (Database.open(settings, one) for one in contexts)
    closing = AsyncExitStack()
    for database in (memory, users, core, debates, schedule):
        closing.push_async_callback(database.aclose)
    registry, noted = Registry(), Observations(memory)
    reader, book = KnowledgeReader(memory), AdapterBook(memory, OutboxStore(debates), clock)
    minimum = settings.knowledge_insight_confidence_min
    exchange = exchange_over(memory, WorkspaceStore(users), clock, minimum=minimum, registry=registry)
    return _Open(
        exchange=exchange,
        audit=AuditLog(users, clock),
        book=book,
        adapters=at_work(EVERY, memory, DebateStore(debates), book, clock),
        reader=reader,
        observations=noted,
        checklists=Checklists(noted, reader, clock),
        precedents=Precedents(noted, reader, clock),
        asked=AskedOfLate(DebateStore(debates), noted, clock),
        questions=Questions(noted, reader, clock),
        revalidations=Revalidations(RevalidationStore(schedule), reader, clock),
        searching=Searching(reader, _NoIndex(), clock),
        registry=registry,
        counters=CounterStore(core),
        closing=closing,
    )


async def _count(opened: _Open) -> None:
    """Add what was counted to the metrics of the installation; where that fails, with the next share."""
    counted = opened.registry.drain()
    try:
        await opened.counters.add(counted)
    except Unavailable as error:
        opened.registry.restore(counted)
        log.warning("a shared insight is counted later", error=error.message)
