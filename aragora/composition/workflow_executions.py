"""The features `executions` and `workflow approvals`: over one inbox and one runner."""

from __future__ import annotations

from actors.gateways.workflows import RunnerAnswers, RunnerCommands
from actors.runtime import Runtime
from aragora.clock import Clock
from aragora.composition.workflow_approvals import open_workflow_approvals
from aragora.config.settings import Settings
from aragora.server.chapters.workflow_approvals import ApprovalPorts
from aragora.server.chapters.workflow_executions import ExecutionPorts, workflow_executions
from aragora.server.feature import Feature
from aragora.server.ports import AuditTrail
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.workflows.store.approvals import open_approvals
from aragora.workflows.store.definitions import DefinitionStore
from aragora.workflows.store.executions import ExecutionStore
from aragora.workflows.store.pinning import StoredDefinitions


def open_workflow_executions(
    settings: Settings, runtime: Runtime, *, audit: AuditTrail, clock: Clock
) -> tuple[Feature[ExecutionPorts], Feature[ApprovalPorts]]:
    """Over the store of the settings, which connects with its first use. Commands go to the runner of `runtime`."""
    database = Database.open(settings, Context.WORKFLOWS)
    workflows = DefinitionStore(database, clock)
    ports = ExecutionPorts(
        commands=RunnerCommands(runtime),
        executions=ExecutionStore(database),
        workflows=workflows,
        definitions=StoredDefinitions(workflows),
        audit=audit,
        clock=clock,
    )
    inbox = open_approvals(settings)
    approvals = open_workflow_approvals(settings, commands=RunnerAnswers(runtime, inbox), audit=audit, clock=clock)
    executions = Feature("executions", ports, chapters=(workflow_executions,), closers=(database.aclose, inbox.aclose))
    return executions, approvals
