"""What independent debates of one question came to, and those who answer it anew and are shown it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from worlds import debating
from worlds.backends import SetClock
from worlds.closed_debates import closed
from worlds.meanings_away import NoMeanings
from worlds.memory_engine import World, answer
from worlds.memory_engine import spec as engine_spec
from worlds.memory_journals import Journals, Nothing, row
from worlds.taught import HOME, OPTIONS, QUESTION, answers, spec

from aragora.debate.hints import OfferedCrux
from aragora.debate.journal import events_of
from aragora.debate.model import AgentRequest, AskKind, Event, KnowledgeOffered, Protocol, Reply
from aragora.debate.running.looks import Looks
from aragora.knowledge.confidence import confidence_of
from aragora.knowledge.learning import Learning
from aragora.knowledge.ledger import Held as Seen
from aragora.knowledge.memories import Memories
from aragora.knowledge.model import Bearing, ItemKind, Outcome
from aragora.knowledge.mound.adapters import belief, consensus, evidence
from aragora.knowledge.planning import Changing
from aragora.knowledge.questions import Questions
from aragora.knowledge.searching import Searching
from aragora.knowledge.source import MoundSource
from aragora.knowledge.store.observations import Observations
from aragora.knowledge.store.reading import KnowledgeReader
from aragora.knowledge.store.writing import KnowledgeWriter
from aragora.knowledge.wanted import Wanted
from aragora.scope import Scope
from aragora.storage.database import Database

SCOPE = Scope(HOME.org_id, frozenset({HOME.workspace}))
SPLIT = {"claude": "three", "gpt": "three", "gemini": "five"}


def journal(number: int, *shown: Event, **votes: str) -> list[str]:
    """All begin at the same moment: so it is by the clocks of nodes that differ."""
    run = debating.start(spec(number)).play(answers(**(votes or SPLIT)))
    run.events[1:1] = shown
    return list(closed(run).lines)


async def learn(reader: KnowledgeReader, writer: KnowledgeWriter, journals: dict[str, list[str]]) -> None:
    """All three adapters that a belief needs learn from these debates."""
    for name in (consensus.NAME, evidence.NAME, belief.NAME):
        adapter = Learning(name, Journals(journals), reader, writer, Nothing())
        await adapter.learn([row(int(debate_id.removeprefix("deb_"))) for debate_id in journals])


@pytest.fixture
def questions(database: Database, reader: KnowledgeReader, clock: SetClock) -> Questions:
    return Questions(Observations(database), reader, clock)


@pytest.fixture
async def learnt(reader: KnowledgeReader, writer: KnowledgeWriter) -> None:
    """Two debates that saw nothing of each other, two of three for three replicas."""
    await learn(reader, writer, {"deb_1": journal(1), "deb_2": journal(2)})


@pytest.mark.usefixtures("learnt")
async def test_who_answers_the_question_anew_is_shown_where_independent_debates_stand_and_what_divided_them(
    questions: Questions, reader: KnowledgeReader, database: Database, clock: SetClock
) -> None:
    searching, memories = Searching(reader, NoMeanings(), clock), Memories(Observations(database), clock)
    source = MoundSource(reader, searching, memories, clock, believing=questions, beside_s=30.0)
    world = World(knowledge=Looks(source, limit_s=60.0))
    shown: dict[AskKind, set[tuple[str, ...]]] = {}

    def script(request: AgentRequest) -> Reply:
        shown.setdefault(request.ask.kind, set()).add((*request.brief.priors, *request.brief.cruxes))
        return answer(request)

    world.agents.script = script
    protocol = Protocol("structured", rounds=2, early_stop=False, trickster=False)
    asked = engine_spec("deb_9", protocol=protocol)
    await world.engine.open(replace(asked, knowledge=True, question=f"  {QUESTION.upper()}"))
    await world.ended("deb_9")
    assert shown.pop(AskKind.PROPOSE) == shown.pop(AskKind.REVISE)
    assert set().union(*shown.values()) == {()}
    (offered,) = [
        event
        for event in events_of([one.payload for one in world.journal.rows["deb_9"]])
        if isinstance(event, KnowledgeOffered)
    ]
    (prior,) = offered.priors
    assert (prior.position, prior.debates, prior.of) == ("three", 2, 2)
    assert {crux.text for crux in offered.cruxes} == {f"{agent} counted it" for agent in SPLIT}


@pytest.mark.usefixtures("learnt")
async def test_a_debate_that_was_shown_a_prior_or_a_crux_adds_nothing_to_it(
    questions: Questions, reader: KnowledgeReader, writer: KnowledgeWriter, clock: SetClock
) -> None:
    before, cruxes = await questions.of(spec())
    for number, event in enumerate((KnowledgeOffered(priors=before), KnowledgeOffered(cruxes=cruxes)), 3):
        await learn(reader, writer, {f"deb_{number}": journal(number, event)})
    clock.at += 60.0
    assert (await questions.of(spec()))[0] == before
    page = await reader.page(SCOPE, Wanted(kinds=(ItemKind.DECISION,)), clock.now())
    (decision,) = page.items
    assert (len(decision.sources), confidence_of(decision).support) == (4, 2)
    journals = Journals({"deb_3": journal(3, KnowledgeOffered(priors=before))})
    again = Learning(consensus.NAME, journals, reader, writer, Nothing())
    assert (await again.learn([replace(row(3), outbox_id="again")])).written == 0
    assert await reader.get(SCOPE, decision.item_id) == decision


@pytest.mark.usefixtures("learnt")
async def test_a_claim_that_somebody_confirmed_is_open_no_more(
    questions: Questions, writer: KnowledgeWriter, clock: SetClock
) -> None:
    async def open_now() -> tuple[OfferedCrux, ...]:
        return (await questions.of(spec()))[1]

    first, *others = await open_now()
    seen = Outcome("person:usr_1", True, clock.now(), by="person:usr_1", bears=Bearing.ITEM)
    await writer.write(HOME, [Changing(first.item_id, Seen(seen))])
    assert list(await open_now()) == others


@pytest.mark.usefixtures("learnt")
async def test_another_question_workspace_or_set_of_options_has_its_own(questions: Questions) -> None:
    assert await questions.of(spec(question="How many replicas does the queue need?")) == ((), ())
    assert await questions.of(spec(workspace="research")) == ((), ())
    assert (await questions.of(spec(options=("nine", "ten"))))[0] == ()
    assert [one.position for one in (await questions.of(spec(options=(OPTIONS[0].upper(),))))[0]] == ["THREE"]
