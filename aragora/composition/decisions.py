"""The feature `decisions`: the router over HTTP."""

from __future__ import annotations

from aragora.clock import Clock
from aragora.composition.decision_parts import router_over
from aragora.config.settings import Settings
from aragora.decisions.deciding import Deciding
from aragora.decisions.ports import Opening, Workflows
from aragora.decisions.store.requests import Requests
from aragora.identity.workspace_book import WorkspaceBook
from aragora.identity.writers import Writers
from aragora.server.chapters.decisions import DecisionPorts, decisions
from aragora.server.feature import Feature
from aragora.server.suggested import Customs, Planner
from aragora.storage.contexts import Context
from aragora.storage.database import Database


def open_decisions(
    settings: Settings,
    *,
    opening: Opening,
    planner: Planner,
    customs: Customs | None,
    writers: Writers,
    workspaces: WorkspaceBook,
    clock: Clock,
    workflows: Workflows | None = None,
) -> Feature[DecisionPorts]:
    """Over the stores of the settings, which connect with their first use. Raises Misconfigured where the routing rules
    cannot be followed.

    Args:
        opening: opens debates.
        workflows: starts them; None: there are none, and a rule that leads to one is refused when it decides.
    """
    debates, memory = Database.open(settings, Context.DEBATES), Database.open(settings, Context.MEMORY)
    deciding = Deciding(router_over(settings, debates, memory, clock), opening, workflows)
    ports = DecisionPorts(deciding, Requests(debates), planner, customs, writers, workspaces, clock)
    closers = (memory.aclose, debates.aclose)  # debates first: its threads read both
    return Feature("decisions", ports, chapters=(decisions,), closers=closers)
