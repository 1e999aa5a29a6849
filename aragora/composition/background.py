"""What features bring beside their routes: consumers of the outbox by topic, and durable jobs.

They run in other processes than the routes: consumers in the coordinator of shard 0, jobs in the scheduler. Both are
handed over by their kind's `brings` (`actors.kinds`), and neither process loads the web framework: so they are declared
here and not in `aragora.server.feature.Feature`. A feature that follows from debates, or has work that must be done
once for all processes, adds its line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aragora.background import Job
from aragora.clock import SystemClock
from aragora.identity.store.sessions import SessionStore, forgetting_sessions
from aragora.ranking.consumer import RatingConsumer
from aragora.ranking.elo import RATINGS
from aragora.ranking.store import RatingStore, ratings_applied
from aragora.receipts.closing import USAGE
from aragora.storage.applied import pruning
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.outbox import Consumer
from aragora.storage.outbox_store import OutboxStore
from aragora.usage.consumer import UsageConsumer
from aragora.usage.store import UsageStore, usage_applied


def consumers(opened: Callable[[Context], Database]) -> Mapping[str, Consumer]:
    """Every topic's consumer, over stores that the caller has `opened` and closes. Coordinator shard 0 runs them."""
    return {
        RATINGS: RatingConsumer(RatingStore(opened(Context.ELO))),
        USAGE: UsageConsumer(UsageStore(opened(Context.USAGE))),
    }


def jobs(opened: Callable[[Context], Database]) -> tuple[Job, ...]:
    """Every job, over stores that the caller has `opened` and closes."""
    clock = SystemClock()
    outbox = OutboxStore(opened(Context.DEBATES))
    return (
        pruning(opened(Context.ELO), ratings_applied, outbox, clock),
        pruning(opened(Context.USAGE), usage_applied, outbox, clock),
        forgetting_sessions(SessionStore(opened(Context.USERS)), clock),
    )
