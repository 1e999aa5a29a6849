"""The router of decisions over the settings: what the server, its jobs and an operator's program share."""

from __future__ import annotations

from typing import Final

from aragora.agents.specifying import Specifying
from aragora.clock import Clock
from aragora.config.settings import Settings
from aragora.debate.store.debates import DebateStore
from aragora.decisions.ports import Knowledge, NothingTold
from aragora.decisions.router import Keeping, Router
from aragora.decisions.rules_file import rules_of
from aragora.decisions.store.entries import Bounds, Entries
from aragora.knowledge.store.told import ToldKnowledge
from aragora.observability.registry import REGISTRY, Registry
from aragora.storage.database import Database

MEGABYTE: Final = 1_000_000


def router_over(
    settings: Settings, debates: Database, memory: Database, clock: Clock, registry: Registry = REGISTRY
) -> Router:
    """The router over the databases of these contexts, counting in `registry`. Raises Misconfigured where the rules
    cannot be followed."""
    knowledge: Knowledge = ToldKnowledge(memory) if settings.knowledge else NothingTold()
    return Router(
        Entries(debates),
        DebateStore(debates),
        Specifying(settings),
        knowledge,
        book=rules_of(settings.decision_rules),
        keeping=keeping_of(settings),
        clock=clock,
        registry=registry,
    )


def keeping_of(settings: Settings) -> Keeping:
    """What the settings let be kept."""
    bounds = Bounds(settings.decision_cache_size, settings.decision_cache_mb * MEGABYTE)
    return Keeping(settings.decision_cache_ttl_s, settings.decision_confidence_min, bounds, settings.decision_near)
