"""The feature `workflows`: definitions and templates over HTTP."""

from __future__ import annotations

from aragora.agents.catalog import Catalog
from aragora.clock import Clock
from aragora.config.settings import Settings
from aragora.debate.protocol import PRESETS, THRESHOLDS
from aragora.errors import AragoraError
from aragora.server.chapters.workflows import WorkflowPorts, workflows
from aragora.server.feature import Feature
from aragora.server.ports import AuditTrail
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.workflows.step_rules import Surroundings
from aragora.workflows.store.definitions import DefinitionStore, Running
from aragora.workflows.store.pinning import StoredDefinitions


def open_workflows(
    settings: Settings, audit: AuditTrail, clock: Clock, *, running: Running | None = None
) -> Feature[WorkflowPorts]:
    """Over the store of the settings, which connects with its first use.

    Args:
        running: which executions there are; None: nothing executes workflows.
    """
    database = Database.open(settings, Context.WORKFLOWS)
    has = Surroundings(agents=_Agents(settings), protocols=tuple(PRESETS), consensus=tuple(map(str, THRESHOLDS)))
    definitions = DefinitionStore(database, clock)
    ports = WorkflowPorts(definitions, StoredDefinitions(definitions), running, has, audit)
    return Feature("workflows", ports, chapters=(workflows,), closers=(database.aclose,))


class _Agents:
    """The names that a step may ask: agents and teams, and models that are named on the spot."""

    def __init__(self, settings: Settings) -> None:
        self._catalog = Catalog(settings)

    def __contains__(self, name: object) -> bool:
        try:
            self._catalog.roster().debaters([str(name)])
        except AragoraError:
            return False
        return True
