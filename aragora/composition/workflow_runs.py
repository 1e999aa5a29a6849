"""What the runner of executions brings: definitions, the steps over all features, the inbox of approvals."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from actors.gateways.debates import CoordinatorCommands
from actors.gateways.knowledge import IndexMeanings, IndexWaker
from actors.gateways.webhooks import WorkflowEventsConsumer
from actors.runtime import Runtime
from aragora.clock import SystemClock
from aragora.composition.identity_rules import identity_rules
from aragora.composition.steps.debating import Debating
from aragora.composition.steps.knowing import KnowledgeSearching, KnowledgeWriting
from aragora.composition.steps.notifying import Notifying
from aragora.composition.steps.outside import Outside, StepDoing
from aragora.composition.steps.provenance import Provenance
from aragora.composition.steps.tasking import Tasking
from aragora.config.legacy import HOST
from aragora.config.settings import Settings
from aragora.control_plane.store.tasks import TaskStore
from aragora.control_plane.store.writer import TaskWriter
from aragora.control_plane.tasking import Tasks
from aragora.debate.store.debates import DebateStore
from aragora.debate.store.journal_writer import JournalWriter
from aragora.identity.acting import Acting
from aragora.identity.store.users import UserStore
from aragora.knowledge.keeping import Keeper
from aragora.knowledge.lessons import Lessons
from aragora.knowledge.searching import Searching
from aragora.knowledge.store.reading import KnowledgeReader
from aragora.knowledge.store.writing import KnowledgeWriter
from aragora.ranking.store import RatingStore
from aragora.receipts.signing import Signer, load_signer
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.outbox import Consumer
from aragora.webhooks.store.choices import EndpointChoices
from aragora.workflows.inbox import TOPIC as APPROVALS
from aragora.workflows.inbox import InboxConsumer, KeptInbox
from aragora.workflows.proving import ChainProofs
from aragora.workflows.running.children import CHILD, Children
from aragora.workflows.running.engine import ExecutionEngine
from aragora.workflows.running.runner import WorkflowParts
from aragora.workflows.store.approvals import open_approvals
from aragora.workflows.store.approvals_sql import SqlApprovals
from aragora.workflows.store.definitions import DefinitionStore
from aragora.workflows.store.executions import ExecutionStore
from aragora.workflows.store.pinning import StoredDefinitions
from aragora.workflows.telling import TOPIC as EVENTS


def workflow_parts(opened: Callable[[Context], Database], settings: Settings) -> WorkflowParts:
    """Over stores that the caller has `opened` and closes."""
    clock, runtime = SystemClock(), Runtime(settings)
    workflows, memory = opened(Context.WORKFLOWS), opened(Context.MEMORY)
    definitions = StoredDefinitions(DefinitionStore(workflows, clock))
    reader, writer = KnowledgeReader(memory), KnowledgeWriter(memory, clock)
    debates = opened(Context.DEBATES)
    journals = DebateStore(debates)
    commands = CoordinatorCommands(runtime, settings, RatingStore(opened(Context.ELO)))
    debating = Debating(commands, journals, settings.max_budget_usd)
    writing = TaskWriter(debates, told=settings.learns_from_tasks)
    tasking = Tasking(Tasks(writing, clock), TaskStore(debates))
    provenance = Provenance(ExecutionStore(workflows), definitions, lambda: Lessons(journals, reader), reader)
    known: dict[str, StepDoing] = {
        "debate": debating,
        "ask": debating,
        "task": tasking,
        "notify": Notifying(),
        "knowledge_search": KnowledgeSearching(Searching(reader, IndexMeanings(runtime), clock)),
        "knowledge_write": KnowledgeWriting(Keeper(reader, writer, clock, IndexWaker(runtime).wake), provenance, clock),
    }
    people = Acting(UserStore(opened(Context.USERS)), identity_rules(settings, HOST))

    def doing(engine: ExecutionEngine) -> Outside:
        return Outside({**known, CHILD: Children(engine, definitions, clock.now)}, people)

    inbox = open_approvals(settings) if settings.approval_store_backend == "redis" else None
    consumers: dict[str, Consumer] = {
        EVENTS: WorkflowEventsConsumer(runtime, EndpointChoices(opened(Context.WEBHOOKS)))
    }
    if inbox is not None:
        consumers[APPROVALS] = InboxConsumer(SqlApprovals(workflows), inbox)
    chain = JournalWriter(debates)
    return WorkflowParts(
        definitions=definitions,
        doing=doing,
        debates=debating,
        tasks=tasking,
        inbox=KeptInbox(mirrored=inbox is not None, told=True),
        consumers=consumers,
        proving=ChainProofs(chain, partial(_signer, settings), clock.now),
        closers=(writing.aclose, chain.aclose, *(() if inbox is None else (inbox.aclose,))),
    )


async def _signer(settings: Settings) -> Signer:
    """The key of this installation."""
    key = settings.receipt_signing_key
    return await asyncio.to_thread(load_signer, None if key is None else key.get_secret_value(), settings.data_dir)
