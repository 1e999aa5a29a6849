"""Ratings follow from the journals alone: what the mound knows changes none of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest
from sqlalchemy import delete, select
from worlds import debating
from worlds.closed_debates import closed
from worlds.taught import answers, spec

from aragora.config.settings import Settings
from aragora.debate.journal import events_of
from aragora.debate.model import ConsensusReached
from aragora.encoding import encode_text
from aragora.errors import NotFound
from aragora.knowledge.calibration import Curve, curve_of
from aragora.knowledge.debaters import Debaters
from aragora.knowledge.learning import ADAPTERS, Learning
from aragora.knowledge.model import Home
from aragora.knowledge.mound.adapters.elo import Basis, Model
from aragora.knowledge.store.observations import Observations
from aragora.knowledge.store.reading import KnowledgeReader
from aragora.knowledge.store.writing import KnowledgeWriter
from aragora.ranking.consumer import RatingConsumer
from aragora.ranking.elo import RATINGS, RatingsDue
from aragora.ranking.store import RatingStore, ratings, ratings_applied
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.outbox import OutboxRow

VOTES = (
    {"claude": "three", "gpt": "three", "gemini": "five"},
    {"claude": "five", "gpt": "three", "gemini": "five"},
    {"claude": "three", "gpt": "five", "gemini": "three"},
    {"claude": "three", "gpt": "three", "gemini": "five"},
)
JOURNALS = {
    f"deb_{number}": list(closed(debating.start(spec(number)).play(answers(**votes))).lines)
    for number, votes in enumerate(VOTES, 1)
}


class Journals:
    """Those of the debates."""

    async def journal(self, debate_id: str) -> list[str]:
        if debate_id not in JOURNALS:
            raise NotFound("there is no such debate")
        return JOURNALS[debate_id]


class NoOutcomes:
    """Nobody has told what came of any debate."""

    async def of(self, debate_ids: Sequence[str]) -> int:
        return 0

    async def curve(self, home: Home, domain: str) -> Curve:
        return curve_of([])


class Agents:
    """One that has debated, and one that has not, of the same model."""

    def available(self) -> tuple[str, ...]:
        return ("claude", "newcomer")

    def model_of(self, agent: str) -> Model | None:
        return Model("stub", "stub-1")


@pytest.fixture
async def elo(settings: Settings) -> AsyncIterator[Database]:
    database = Database.open(settings, Context.ELO)
    await emptied(database)
    yield database
    await emptied(database)
    await database.aclose()


async def emptied(elo: Database) -> None:
    async with elo.writing() as connection:
        await connection.execute(delete(ratings))
        await connection.execute(delete(ratings_applied))


async def rated(elo: Database) -> list[tuple[object, ...]]:
    """Every rating after the rows of all debates, from none."""
    await emptied(elo)
    rows = []
    for debate_id, journal in JOURNALS.items():
        (decision,) = [event.decision for event in events_of(journal) if isinstance(event, ConsensusReached)]
        due = encode_text(RatingsDue("storage", decision))
        rows.append(OutboxRow(f"{debate_id}:ratings", RATINGS, debate_id, due, 1.0))
    await RatingConsumer(RatingStore(elo)).apply(rows)
    return await standing(elo)


async def standing(elo: Database) -> list[tuple[object, ...]]:
    query = select(ratings).order_by(ratings.c.agent, ratings.c.domain)
    return [tuple(row) for row in await elo.rows(query, "reading ratings")]


async def test_ratings_are_the_same_with_the_mound_full_and_empty(
    elo: Database, database: Database, reader: KnowledgeReader, writer: KnowledgeWriter
) -> None:
    debaters = Debaters(Observations(database), Agents(), RatingStore(elo))
    asked = spec(9, agents=("claude", "newcomer"))
    (_, newcomer) = await debaters.rated(asked)
    assert newcomer.prior is not None
    assert (newcomer.prior.basis, newcomer.prior.n) == (Basis.NOTHING, 0)
    empty = await rated(elo)
    assert len(empty) == 6, "three agents, overall and in the domain"
    for name in ADAPTERS:
        rows = [OutboxRow(f"{debate_id}:knowledge", "knowledge", debate_id, "{}", 1.0) for debate_id in JOURNALS]
        await Learning(name, Journals(), reader, writer, NoOutcomes()).learn(rows)
    (claude, newcomer) = await debaters.rated(asked)
    assert claude.elo is not None
    assert claude.debates == len(VOTES)
    assert newcomer.prior is not None
    assert (newcomer.elo, newcomer.prior.basis, newcomer.prior.n, newcomer.prior.won) == (None, Basis.MODEL, 12, 8)
    assert (await debaters.team(asked, named=False)).debates == len(VOTES)
    assert await standing(elo) == empty, "to learn and to ask changes none"
    assert await rated(elo) == empty
    elsewhere = await debaters.rated(spec(9, agents=("newcomer",), workspace="other"))
    assert [one.prior.n for one in elsewhere if one.prior is not None] == [0]
