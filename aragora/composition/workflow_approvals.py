"""The feature `workflow approvals`: the inbox of approvals and the answers, over HTTP."""

from __future__ import annotations

from aragora.clock import Clock
from aragora.config.settings import Settings
from aragora.server.chapters.workflow_approvals import ApprovalCommands, ApprovalPorts, workflow_approvals
from aragora.server.feature import Feature
from aragora.server.ports import AuditTrail
from aragora.workflows.store.approvals import open_approvals


def open_workflow_approvals(
    settings: Settings, *, commands: ApprovalCommands, audit: AuditTrail, clock: Clock
) -> Feature[ApprovalPorts]:
    """Over the inbox of the settings, which connects with its first use; answers go to `commands`, after `audit` has
    them."""
    inbox = open_approvals(settings)
    ports = ApprovalPorts(inbox, commands, audit, clock)
    return Feature("workflow approvals", ports, chapters=(workflow_approvals,), closers=(inbox.aclose,))
