"""The feature `control plane`: tasks, agents and recommendations over HTTP."""

from __future__ import annotations

from aragora.agents.breaker_store import BreakerStore
from aragora.clock import Clock
from aragora.config.settings import Settings
from aragora.control_plane.advising import Advising, CatalogueRoster
from aragora.control_plane.store.tasks import TaskStore
from aragora.control_plane.store.writer import TaskWriter
from aragora.control_plane.tasking import Tasks
from aragora.server.chapters.control_plane import ControlPlanePorts, control_plane
from aragora.server.feature import Feature
from aragora.storage.contexts import Context
from aragora.storage.database import Database


def open_control_plane(settings: Settings, clock: Clock) -> Feature[ControlPlanePorts]:
    """Over the store of the settings, which connects with its first use."""
    debates, core = Database.open(settings, Context.DEBATES), Database.open(settings, Context.CORE)
    writer, store = TaskWriter(debates, told=settings.learns_from_tasks), TaskStore(debates)
    advising = Advising(store, CatalogueRoster(settings, BreakerStore(core)), clock, learns=settings.cp_enable_km)
    return Feature(
        "control plane",
        ControlPlanePorts(Tasks(writer, clock), store, advising, clock),
        chapters=(control_plane,),
        closers=(debates.aclose, core.aclose, writer.aclose),
    )
