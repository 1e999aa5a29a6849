"""Whoever runs executions, in the process of a test's server: the real runner over its store. What steps ask for is
begun and never answered."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from worlds.workflow_runner import Outside, accepted

from aragora import encoding
from aragora.clock import Clock
from aragora.config.settings import Settings
from aragora.debate.proposition import Idempotency
from aragora.ids import new_id
from aragora.scope import EVERYTHING
from aragora.server.live.fanout import Fanout
from aragora.server.live.journals import ExecutionJournals
from aragora.server.live.subjects import of_executions
from aragora.server.ports import FeedItem, Journals
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.workflows.approvals import ApprovalRecord, ApprovalRequestStore
from aragora.workflows.approving import Answerer, Word
from aragora.workflows.inbox import KeptInbox
from aragora.workflows.journal import JournalRow
from aragora.workflows.model import ExecutionStarted
from aragora.workflows.records import Started
from aragora.workflows.running.engine import ExecutionEngine, Standing
from aragora.workflows.running.runner import RunnerPorts, WorkflowRunner, begun
from aragora.workflows.store.definitions import DefinitionStore
from aragora.workflows.store.executions import ExecutionStore
from aragora.workflows.store.pinning import StoredDefinitions


class LocalFeed:
    """Fulfils `EventFeed` of executions and `Publishing` in one process: whoever follows reads the store at each
    news."""

    def __init__(self, journals: Journals) -> None:
        self._journals = journals
        self._following: set[asyncio.Event] = set()

    def publish(self, execution_id: str, rows: Sequence[JournalRow]) -> None:
        assert {row.execution_id for row in rows} == {execution_id}
        for news in self._following:
            news.set()

    async def follow(self, journal_id: str, after_seq: int = 0) -> AsyncGenerator[FeedItem, None]:
        news = asyncio.Event()
        self._following.add(news)
        try:
            while True:
                news.clear()
                while page := await self._journals.events(journal_id, after_seq):
                    for payload in page:
                        after_seq += 1
                        yield FeedItem(journal_id, after_seq, encoding.decode(payload)["type"], payload)
                state = await self._journals.state(journal_id, EVERYTHING)
                if state.over and state.last_seq <= after_seq:
                    return
                await news.wait()
        finally:
            self._following.discard(news)

    def show(self, journal_id: str) -> None:
        """Nothing is written between the events of an execution."""

    def hide(self, journal_id: str) -> None:
        """See `show`."""


class LocalRuns:
    """Fulfils the ports of the routes of executions; begins with the first command."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._runner: WorkflowRunner | None = None
        self._database: Database | None = None
        self._read = Database.open(settings, Context.WORKFLOWS)
        journals = ExecutionJournals(ExecutionStore(self._read), clock)
        self.feed = LocalFeed(journals)
        self.followed = of_executions(Fanout(self.feed, journals, lambda: 0.5))

    async def start(self, started: ExecutionStarted, idempotency: Idempotency | None) -> Started:
        engine = await self._engine()
        pinned = await self._definitions.pinned(started.workflow_id, started.version)
        return await engine.start(started, pinned, idempotency)

    async def pause(self, execution_id: str, by: str) -> Standing:
        return await (await self._engine()).pause(execution_id, by)

    async def resume(self, execution_id: str, by: str) -> Standing:
        return await (await self._engine()).resume(execution_id, by)

    async def cancel(self, execution_id: str, by: str, reason: str) -> Standing:
        return await (await self._engine()).cancel(execution_id, by, reason)

    async def retry(self, execution_id: str, by: str, run: str, what: Mapping[str, Any], request_id: str) -> Standing:
        return await (await self._engine()).retry(execution_id, by, run, what, request_id)

    async def signal(
        self, execution_id: str, name: str, payload: Mapping[str, Any], signal_id: str, by: str
    ) -> Standing:
        return await (await self._engine()).signal(execution_id, name, payload, signal_id, by)

    async def running_of(self, workflow_id: str) -> bool:
        async with contextlib.aclosing(Database.open(self._settings, Context.WORKFLOWS)) as database:
            return await ExecutionStore(database).running_of(workflow_id)

    def answers(self, inbox: ApprovalRequestStore) -> LocalAnswers:
        return LocalAnswers(self, inbox)

    async def _engine(self) -> ExecutionEngine:
        if self._runner is None:
            self._database = database = Database.open(self._settings, Context.WORKFLOWS)
            self._definitions = StoredDefinitions(DefinitionStore(database, self._clock))
            outside = Outside(gives=accepted("begun"))
            self._runner = await begun(
                database,
                RunnerPorts(
                    definitions=self._definitions,
                    doing=lambda _: outside,
                    publishing=self.feed,
                    inbox=KeptInbox(mirrored=False, told=False),
                    consumers={},
                    clock=self._clock,
                    pause_s=lambda _: 0.01,
                ),
            )
        return self._runner.engine

    async def aclose(self) -> None:
        """At the end of the server, in its event loop."""
        if self._runner is not None:
            await self._runner.drain()
            self._runner = None
        if self._database is not None:
            await self._database.aclose()
        await self._read.aclose()


class LocalAnswers:
    """Fulfils `ApprovalCommands`."""

    def __init__(self, runs: LocalRuns, inbox: ApprovalRequestStore) -> None:
        self._runs = runs
        self._inbox = inbox

    async def answer(self, approval_id: str, answerer: Answerer, word: Word, idempotency: str | None) -> ApprovalRecord:
        record = await self._inbox.get(EVERYTHING, approval_id)
        engine = await self._runs._engine()
        return await engine.answer(
            record.state.execution_id, approval_id, answerer, word, idempotency or new_id("answer")
        )
