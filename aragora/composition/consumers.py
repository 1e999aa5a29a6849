"""The outbox's consumers: a table topic -> consumer. A feature that follows from debates adds its line here.

They run in the coordinator of shard 0 (`COORDINATOR.brings`), which must load neither the web framework nor what jobs
and routes need: so they are declared here, and not in `aragora.server.feature.Feature`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from actors.gateways.knowledge import AdapterConsumer
from actors.gateways.webhooks import DispatcherConsumer
from actors.gateways.workflows import ServedConsumer, ServedTaskConsumer
from actors.runtime import Runtime
from aragora.config.settings import Settings
from aragora.control_plane.outcomes import TOPIC as TASKS
from aragora.control_plane.serving import SERVED_TASKS
from aragora.debate.records import TOLD
from aragora.ranking.consumer import RatingConsumer
from aragora.ranking.elo import RATINGS
from aragora.ranking.store import RatingStore
from aragora.receipts.closing import KNOWLEDGE, SERVED, USAGE
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.outbox import Consumer
from aragora.usage.consumer import UsageConsumer
from aragora.usage.store import UsageStore


def consumers(opened: Callable[[Context], Database], settings: Settings) -> Mapping[str, Consumer]:
    """Every topic's consumer, over stores that the caller has `opened` and closes. Coordinator shard 0 runs them."""
    learning = {KNOWLEDGE: AdapterConsumer(Runtime(settings), settings)} if settings.knowledge else {}
    if settings.learns_from_tasks:
        learning[TASKS] = AdapterConsumer(Runtime(settings), settings, TASKS)
    return {
        **learning,
        RATINGS: RatingConsumer(RatingStore(opened(Context.ELO))),
        USAGE: UsageConsumer(UsageStore(opened(Context.USAGE))),
        TOLD: DispatcherConsumer(Runtime(settings)),
        SERVED: ServedConsumer(Runtime(settings)),
        SERVED_TASKS: ServedTaskConsumer(Runtime(settings)),
    }
