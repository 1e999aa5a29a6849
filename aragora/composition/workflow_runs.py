"""What the runner of executions brings: definitions, the steps over all features, the inbox of approvals."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from actors.gateways.debates import CoordinatorCommands
from actors.gateways.knowledge import IndexMeanings, IndexWaker
from actors.runtime import Runtime
from aragora.clock import SystemClock
from aragora.composition.identity_rules import identity_rules
from aragora.composition.steps.debating import Debating
from aragora.composition.steps.knowing import KnowledgeSearching, KnowledgeWriting
from aragora.composition.steps.notifying import Notifying
from aragora.composition.steps.outside import Outside, StepDoing
from aragora.config.legacy import HOST
from aragora.config.settings import Settings
from aragora.debate.store.debates import DebateStore
from aragora.identity.store.users import UserStore
from aragora.identity.writers import Writers
from aragora.knowledge.keeping import Keeper
from aragora.knowledge.searching import Searching
from aragora.knowledge.store.reading import KnowledgeReader
from aragora.knowledge.store.writing import KnowledgeWriter
from aragora.ranking.store import RatingStore
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.outbox import Consumer
from aragora.workflows.inbox import TOPIC, InboxConsumer, KeptInbox
from aragora.workflows.running.children import CHILD, Children
from aragora.workflows.running.engine import ExecutionEngine
from aragora.workflows.running.runner import WorkflowParts
from aragora.workflows.store.approvals import open_approvals
from aragora.workflows.store.approvals_sql import SqlApprovals
from aragora.workflows.store.definitions import DefinitionStore
from aragora.workflows.store.pinning import StoredDefinitions


def workflow_parts(opened: Callable[[Context], Database], settings: Settings) -> WorkflowParts:
    """Over stores that the caller has `opened` and closes."""
    clock, runtime = SystemClock(), Runtime(settings)
    workflows, memory = opened(Context.WORKFLOWS), opened(Context.MEMORY)
    definitions = StoredDefinitions(DefinitionStore(workflows, clock))
    reader, writer = KnowledgeReader(memory), KnowledgeWriter(memory, clock)
    debating = Debating(
        CoordinatorCommands(runtime, settings, RatingStore(opened(Context.ELO))),
        DebateStore(opened(Context.DEBATES)),
    )
    known: dict[str, StepDoing] = {
        "debate": debating,
        "ask": debating,
        "notify": Notifying(),
        "knowledge_search": KnowledgeSearching(Searching(reader, IndexMeanings(runtime), clock)),
        "knowledge_write": KnowledgeWriting(Keeper(reader, writer, clock, IndexWaker(runtime).wake), clock),
    }
    people = Writers(UserStore(opened(Context.USERS)), identity_rules(settings, HOST))

    def doing(engine: ExecutionEngine) -> Outside:
        return Outside({**known, CHILD: Children(engine, definitions, clock.now)}, people)

    mirrored = settings.approval_store_backend == "redis"
    mirror: Mapping[str, Consumer] = (
        {TOPIC: InboxConsumer(SqlApprovals(workflows), open_approvals(settings))} if mirrored else {}
    )
    return WorkflowParts(definitions, doing, debating, KeptInbox(mirrored=mirrored), mirror)
