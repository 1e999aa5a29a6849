"""The durable jobs of all features. A feature that has work to be done once for all processes adds its line here.

The scheduler runs them (`SCHEDULER.brings`), in a process that serves no requests.
"""

from __future__ import annotations

from collections.abc import Callable

from actors.gateways.webhooks import watching
from actors.runtime import Runtime
from aragora.background import Job
from aragora.clock import SystemClock
from aragora.config.settings import Settings
from aragora.identity.store.dead_keys import forgetting_keys
from aragora.identity.store.invitations import forgetting_invitations
from aragora.identity.store.sessions import forgetting_sessions
from aragora.ranking.store import ratings_applied
from aragora.storage.applied import pruning
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.ephemeral import sweeping
from aragora.storage.outbox_store import OutboxStore
from aragora.usage.store import usage_applied


def jobs(opened: Callable[[Context], Database], settings: Settings) -> tuple[Job, ...]:
    """Every job, over stores that the caller has `opened` and closes."""
    clock = SystemClock()
    outbox, users = OutboxStore(opened(Context.DEBATES)), opened(Context.USERS)
    return (
        pruning(opened(Context.ELO), ratings_applied, outbox, clock),
        pruning(opened(Context.USAGE), usage_applied, outbox, clock),
        forgetting_sessions(users, clock),
        forgetting_keys(users, clock),
        forgetting_invitations(users, clock),
        sweeping(users, clock),
        watching(Runtime(settings), opened(Context.WEBHOOKS)),
    )
