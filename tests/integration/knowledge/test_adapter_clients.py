"""The adapters as a program of the operator's uses them, over `open_mound`."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import delete, insert
from worlds import debating
from worlds.closed_debates import closed
from worlds.taught import PAPER, QUESTION, answers, spec

from aragora.composition.local_mound import LocalMound
from aragora.config.settings import Settings
from aragora.debate.journal import events_of, stamp_of
from aragora.debate.store.tables import journal
from aragora.errors import InvalidInput, NotFound
from aragora.knowledge.mound import open_mound
from aragora.knowledge.mound.adapters import (
    BeliefAdapter,
    ConsensusAdapter,
    ContinuumAdapter,
    CostAdapter,
    CritiqueAdapter,
    CultureAdapter,
    EloAdapter,
    EvidenceAdapter,
    InsightsAdapter,
    PulseAdapter,
    RankingAdapter,
)
from aragora.knowledge.precedents import NEVER, Settled
from aragora.storage.database import Database
from aragora.storage.tables import outbox

AGENTS = ("claude", "gpt", "gemini")


async def play(database: Database, number: int) -> None:
    """A debate that ended, and waits in the outbox."""
    lines = closed(debating.start(spec(number)).play(answers(claude="three", gpt="three", gemini="five"))).lines
    debate_id, topic = f"deb_{number}", "knowledge"
    rows = [
        {"debate_id": debate_id, "seq": seq, "type": "x", "at": stamp_of(line), "payload": line}
        for seq, line in enumerate(lines, 1)
    ]
    due = {"outbox_id": f"{debate_id}:{topic}", "topic": topic, "debate_id": debate_id, "payload": "{}"}
    assert events_of(lines)
    async with database.writing() as connection:
        await connection.execute(insert(journal), rows)
        await connection.execute(insert(outbox), {**due, "created_at": 1.0})


@pytest.fixture
async def km(settings: Settings, journals_database: Database) -> AsyncIterator[LocalMound]:
    async with journals_database.writing() as connection:
        await connection.execute(delete(journal))
    async with open_mound(settings=settings) as opened:
        yield opened


async def test_a_program_has_the_adapters_learn_and_asks_what_they_know(
    km: LocalMound, journals_database: Database
) -> None:
    for number in (1, 2, 3):
        await play(journals_database, number)
    consensus, evidence = ConsensusAdapter(km, "default"), EvidenceAdapter(km, "default")
    cost, continuum = CostAdapter(km, "default"), ContinuumAdapter(km, "default")
    ranking, insights, culture = (
        RankingAdapter(km, "default"),
        InsightsAdapter(km, "default"),
        CultureAdapter(km, "default"),
    )
    belief, elo = BeliefAdapter(km, "default"), EloAdapter(km, "default")
    pulse, critique = PulseAdapter(km, "default"), CritiqueAdapter(km, "default")
    assert (await cost.standing()).backlog == 3
    assert await cost.estimate(AGENTS) is None

    done = [await one.sync() for one in (consensus, evidence, cost, continuum)]
    assert [one.backlog for one in done] == [0, 0, 0, 0]
    assert [one.written > 0 for one in done] == [True, True, False, False]
    assert (await consensus.sync()).debates == 0

    (precedent,) = await consensus.precedents(QUESTION)
    assert precedent.statement.value == "three"
    assert PAPER in [item.statement.content for item in await evidence.evidence("load test of March", limit=3)]
    estimate = await cost.estimate(AGENTS, "structured", rounds=1)
    assert estimate is not None
    assert estimate.debates == 3
    for one in (ranking, insights, culture, pulse, critique, belief, elo):
        assert (await one.sync()).backlog == 0
    assert [expert.agent for expert in await ranking.experts("storage")][:1] == ["claude"]
    assert await insights.steadiness("claude") is None  # seen in too few rounds
    assert await culture.suggestions("structured") == ()
    settled = await pulse.settled(QUESTION)
    assert isinstance(settled, Settled)
    assert (settled.position, settled.debates) == ("three", 3)
    assert await pulse.settled("Another question?") == NEVER
    first = (await belief.priors(QUESTION, ("three", "five")))[0]
    assert (first.position, first.debates) == ("three", 3)
    assert [crux.text for crux in await belief.cruxes(QUESTION)] != []
    assert await belief.priors("Another question?") == ()
    known = await elo.prior("new", "stub", "stub-1", "storage")
    assert (known.n > 0) == (known.rate is not None)
    assert (await elo.prior("new", "unheard", domain="storage")).n == 0
    assert await critique.checklist("storage") == ()  # "too vague" is no issue
    assert await continuum.memories([precedent.item_id, "kn_unknown"]) == {}


async def test_another_workspace_is_told_nothing_of_it(km: LocalMound, journals_database: Database) -> None:
    for number in (1, 2, 3):
        await play(journals_database, number)
    for one in (ConsensusAdapter(km, "default"), CostAdapter(km, "default")):
        await one.sync()
    assert await ConsensusAdapter(km, "other").precedents(QUESTION) == []
    assert await CostAdapter(km, "other").estimate(AGENTS, rounds=1) is None


async def test_what_there_is_not_is_refused_in_words(km: LocalMound) -> None:
    with pytest.raises(InvalidInput):
        CostAdapter(km, "no workspace!")
    with pytest.raises(InvalidInput, match="protocol"):
        await CostAdapter(km, "default").estimate(AGENTS, "unheard")
    with pytest.raises(NotFound, match="consensus"):
        await km.sync("gossip")
