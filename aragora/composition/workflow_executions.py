"""The features `executions` and `workflow approvals`: over one inbox and one runner."""

from __future__ import annotations

from collections.abc import Callable

from aragora.clock import Clock
from aragora.composition.workflow_approvals import open_workflow_approvals
from aragora.config.settings import Settings
from aragora.receipts.store import ReceiptStore
from aragora.server.chapters.workflow_approvals import ApprovalCommands, ApprovalPorts
from aragora.server.chapters.workflow_executions import ExecutionCommands, ExecutionPorts, workflow_executions
from aragora.server.feature import Feature
from aragora.server.live.journals import ExecutionJournals
from aragora.server.live.sockets import SocketRegistry
from aragora.server.live.subjects import Subject
from aragora.server.ports import AuditTrail, EventFeed
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.workflows.approvals import ApprovalRequestStore
from aragora.workflows.proving import ExecutionReceipts
from aragora.workflows.replaying import Looking
from aragora.workflows.store.approvals import open_approvals
from aragora.workflows.store.definitions import DefinitionStore
from aragora.workflows.store.executions import ExecutionStore
from aragora.workflows.store.pinning import StoredDefinitions


def open_workflow_executions(
    settings: Settings,
    *,
    commands: ExecutionCommands,
    answers: Callable[[ApprovalRequestStore], ApprovalCommands],
    feed: EventFeed,
    followed: Subject,
    sockets: SocketRegistry,
    audit: AuditTrail,
    clock: Clock,
) -> tuple[Feature[ExecutionPorts], Feature[ApprovalPorts]]:
    """Over the store of the settings, which connects with its first use. `commands` go to whoever runs executions, and
    so do `answers`, which are made over the inbox. `feed` has the events of executions as they come, and `followed`
    hands them on in this process, whose `sockets` these are."""
    database = Database.open(settings, Context.WORKFLOWS)
    debates = Database.open(settings, Context.DEBATES)
    workflows = DefinitionStore(database, clock)
    executions, definitions = ExecutionStore(database), StoredDefinitions(workflows)
    ports = ExecutionPorts(
        commands=commands,
        executions=executions,
        journals=ExecutionJournals(executions, clock),
        feed=feed,
        followed=followed,
        sockets=sockets,
        looking=Looking(executions, definitions),
        workflows=workflows,
        definitions=definitions,
        receipts=ExecutionReceipts(ReceiptStore(debates)),
        audit=audit,
        clock=clock,
    )
    inbox = open_approvals(settings)
    approvals = open_workflow_approvals(settings, commands=answers(inbox), audit=audit, clock=clock)
    feature = Feature(
        "executions", ports, chapters=(workflow_executions,), closers=(database.aclose, debates.aclose, inbox.aclose)
    )
    return feature, approvals
