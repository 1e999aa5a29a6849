"""The feature `outcomes`: what came of debates. A task scores what was left unscored."""

from __future__ import annotations

from aragora.clock import Clock
from aragora.config.settings import Settings
from aragora.identity.parts import IdentityParts
from aragora.knowledge.heeding import heeding_over
from aragora.knowledge.recording import Recording
from aragora.knowledge.scoring import Scoring
from aragora.knowledge.store.outcomes import OutcomeStore
from aragora.knowledge.store.writing import KnowledgeWriter
from aragora.ranking.forecasts import ForecastStore
from aragora.server.chapters.outcomes import OutcomePorts, calibration, outcomes
from aragora.server.feature import Feature
from aragora.server.ports import DebateReader
from aragora.storage.contexts import Context
from aragora.storage.database import Database


def open_outcomes(
    settings: Settings, parts: IdentityParts, reader: DebateReader, clock: Clock
) -> Feature[OutcomePorts]:
    """Outcomes in the store of the settings, of the debates that `reader` reads, audited in the log of identity. The
    stores connect with their first operation."""
    memory, elo = Database.open(settings, Context.MEMORY), Database.open(settings, Context.ELO)
    store = OutcomeStore(memory)
    scoring = Scoring(store, ForecastStore(elo))
    heeding = heeding_over(memory, KnowledgeWriter(memory, clock))
    return Feature(
        "outcomes",
        OutcomePorts(Recording(store, reader, scoring, clock, heeding=heeding), store, reader, parts),
        chapters=(outcomes, calibration),
        tasks=(scoring.task.run,),
        closers=(memory.aclose, elo.aclose),
    )
