"""Debating decisions again: its durable job, over the stores of the scheduler."""

from __future__ import annotations

from collections.abc import Callable

from actors.gateways.debates import CoordinatorCommands
from actors.runtime import Runtime
from aragora.background import Job
from aragora.clock import Clock
from aragora.composition.identity_rules import identity_rules
from aragora.config.legacy import HOST
from aragora.config.settings import Settings
from aragora.debate.store.debates import DebateStore
from aragora.identity.store.users import UserStore
from aragora.identity.writers import Writers
from aragora.knowledge.revalidating import Revalidating, revalidating_job
from aragora.knowledge.revalidation import Allowance
from aragora.knowledge.store.observations import Observations
from aragora.knowledge.store.reading import KnowledgeReader
from aragora.knowledge.store.revalidations import RevalidationStore
from aragora.ranking.store import RatingStore
from aragora.storage.contexts import Context
from aragora.storage.database import Database


def allowance_of(settings: Settings) -> Allowance:
    """What these debates may take of a day."""
    return Allowance(settings.knowledge_revalidation_debates_a_day, settings.knowledge_revalidation_usd_a_day)


def revalidation(opened: Callable[[Context], Database], settings: Settings, clock: Clock) -> Job:
    """The job, over stores that the caller has `opened` and closes."""
    memory = opened(Context.MEMORY)
    rules = identity_rules(settings, HOST)  # whoever debates without a login does so on the server's own machine
    return revalidating_job(
        Revalidating(
            RevalidationStore(opened(Context.SCHEDULE)),
            Observations(memory),
            KnowledgeReader(memory),
            debates=DebateStore(opened(Context.DEBATES)),
            opening=CoordinatorCommands(Runtime(settings), settings, RatingStore(opened(Context.ELO)), clock),
            people=Writers(UserStore(opened(Context.USERS)), rules),
            allowance=allowance_of(settings),
            clock=clock,
        )
    )
