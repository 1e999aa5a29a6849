"""A debate that is offered knowledge: when, to whom it is shown, what becomes of citations, what a decision says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import debating
from worlds.debating import item_of, offer_of, spec_of

from aragora.debate import journal, machine
from aragora.debate.hints import OfferedCrux, OfferedIssue, OfferedPrior
from aragora.debate.knowledge import DECISION, NotOffered, OfferedItem, question_digest
from aragora.debate.machine.grounds import contradicted, grounds, reused
from aragora.debate.machine.money import bound_usd
from aragora.debate.model import (
    AgentPrice,
    AgentRequest,
    AgreementChallenged,
    AnswerGiven,
    AskKind,
    CritiqueGiven,
    KnowledgeCited,
    KnowledgeOffered,
    Proposal,
    Protocol,
    Reply,
    RoundStarted,
    Topology,
)
from aragora.debate.protocol import PRESETS

TAKES = spec_of(knowledge=True)
CLAUDE, GPT = debating.AGENTS[:2]
CAP = 50


def citing(agent: str, text: str, *evidence: str) -> debating.Answerer:
    """Sensible agents, of which one says this."""

    def answer(request: AgentRequest) -> Reply:
        reply = debating.answer_to(request)
        if request.ask.agent == agent and isinstance(reply.content, Proposal):
            return replace(reply, content=replace(reply.content, text=text, evidence=evidence))
        return reply

    return answer


def briefs(run: debating.Run, kind: AskKind) -> list[Any]:
    return [request.brief for request in run.requests if request.ask.kind is kind]


def labels(brief: Any) -> list[str]:
    return [known.label for known in brief.knowledge]


# --- The offer --------------------------------------------------------------------------------------------


def test_a_debate_that_takes_knowledge_asks_nobody_before_it_is_offered_some() -> None:
    run = debating.Run()
    run.take([machine.first_event(TAKES)])
    assert machine.offer_due(run.state)
    assert machine.advance(run.state, machine.Timing(1e9)) == ()
    run.take([offer_of()])
    assert not machine.offer_due(run.state)
    assert isinstance(machine.advance(run.state, machine.Timing(0.0))[0], RoundStarted)


def test_a_debate_that_takes_none_begins_at_once() -> None:
    run = debating.start()
    assert not machine.offer_due(run.state)
    assert machine.asks(run.state)


def test_an_offer_that_comes_after_the_first_round_began_changes_nothing() -> None:
    run = debating.Run()
    run.take([machine.first_event(TAKES), RoundStarted(1, debating.AGENTS)])
    assert not machine.offer_due(run.state)
    run.take([offer_of()])
    assert run.state.offered is None
    assert briefs(run.play(), AskKind.PROPOSE)[0].knowledge == ()


def test_the_first_offer_stands() -> None:
    run = debating.Run()
    run.take([machine.first_event(TAKES), offer_of(item_of(1)), offer_of(item_of(1, "Another."))])
    assert run.state.offered == offer_of(item_of(1))


def test_a_debate_can_be_cancelled_while_it_waits_for_an_offer() -> None:
    run = debating.Run()
    run.take([machine.first_event(TAKES)])
    run.take(machine.cancel(run.state, "cancelled"))
    assert not machine.offer_due(run.state)
    assert machine.status(run.state).ended


def test_journals_of_earlier_versions_look_for_nothing() -> None:
    row = journal.row_of("deb_1", 1, 1.0, machine.first_event(spec_of()))
    old = row.payload.replace(',"knowledge":false', "")
    assert old != row.payload
    event = journal.event_of(old)
    assert not machine.offer_due(machine.replay([event]))


# --- Who sees what ----------------------------------------------------------------------------------------


def test_who_answers_sees_all_that_was_offered_and_who_groups_nothing() -> None:
    run = debating.start(spec_of(protocol=PRESETS["structured"]), offer_of()).play()
    for kind in (AskKind.PROPOSE, AskKind.REVISE):
        assert all(labels(brief) == ["K1", "K2"] for brief in briefs(run, kind)), kind
    assert briefs(run, AskKind.GROUP)
    assert all(labels(brief) == [] for brief in briefs(run, AskKind.GROUP))


def test_who_answers_a_challenge_sees_all_that_was_offered() -> None:
    protocol = Protocol("structured", rounds=1, positions=True)
    says = Proposal("Tea. It is mild.", 0.5, ())

    def answer(request: AgentRequest) -> Reply:
        reply = debating.answer_to(request)
        return replace(reply, content=says) if isinstance(reply.content, Proposal) else reply

    run = debating.start(spec_of(protocol=protocol), offer_of()).play(answer)
    assert [labels(brief) for brief in briefs(run, AskKind.CHALLENGE)] == [["K1", "K2"]] * len(debating.AGENTS)


def test_critics_see_only_what_the_answer_before_them_cites() -> None:
    run = debating.start(TAKES, offer_of()).until(AskKind.CRITIQUE, citing(CLAUDE, "Tea [K2]."))
    seen = {request.ask.target: labels(request.brief) for request in run.pending()}
    assert seen == {CLAUDE: ["K2"]} | {agent: [] for agent in debating.AGENTS[1:]}


def test_critics_of_a_position_see_what_any_of_its_authors_cites() -> None:
    protocol = replace(PRESETS["structured"], trickster=False)
    spec = spec_of(protocol=protocol, options=("tea", "coffee"))

    def answer(request: AgentRequest) -> Reply:
        reply = debating.answer_to(request)
        if isinstance(reply.content, Proposal):
            option = "coffee" if request.ask.agent == debating.AGENTS[3] else "tea"
            evidence = ("K1: it is mild",) if request.ask.agent == GPT else ("one", "two")
            return replace(reply, content=Proposal(f"{option}.", 0.6, evidence, option))
        return reply

    run = debating.start(spec, offer_of()).until(AskKind.CRITIQUE, answer)
    seen = {request.ask.target: labels(request.brief) for request in run.pending()}
    assert seen == {CLAUDE: ["K1"], debating.AGENTS[3]: []}


@pytest.mark.parametrize(
    ("preset", "kind"), [("ensemble", AskKind.VOTE), ("council", AskKind.RANK), ("duel", AskKind.JUDGE)]
)
def test_who_votes_ranks_or_judges_sees_only_what_the_ballot_cites(preset: str, kind: AskKind) -> None:
    spec = spec_of(protocol=replace(PRESETS[preset], rounds=1))
    run = debating.start(spec, offer_of()).play(citing(CLAUDE, "Tea, of course.", "K1: it is mild"))
    assert [labels(brief) for brief in briefs(run, kind)] == [["K1"]] * len(briefs(run, kind)) != []


def test_the_chair_sees_what_any_answer_cites() -> None:
    run = debating.start(spec_of(protocol=PRESETS["council"]), offer_of()).play(citing(GPT, "Tea [K2]."))
    assert [labels(brief) for brief in briefs(run, AskKind.SYNTHESIZE)] == [["K2"]]


def test_a_brief_names_kind_date_confidence_dispute_and_dissent() -> None:
    item = item_of(1, "We chose coffee.", kind=DECISION, disputed=True, dissent="It keeps people awake.")
    run = debating.start(TAKES, offer_of(item))
    known = run.pending()[0].brief.knowledge[0]
    assert known.about == "decision, 2023-11-14, confidence: likely, disputed"
    assert (known.text, known.dissent) == ("We chose coffee.", "It keeps people awake.")


@pytest.mark.parametrize("why", NotOffered)
def test_a_brief_says_that_nothing_is_known_only_where_it_was_looked_for(why: NotOffered) -> None:
    run = debating.start(TAKES, KnowledgeOffered(why=why))
    brief = run.pending()[0].brief
    assert brief.knowledge == ()
    assert brief.nothing_known is (why is NotOffered.NONE)


def test_what_is_offered_counts_in_the_bound_of_what_an_ask_may_cost() -> None:
    prices = {CLAUDE: AgentPrice(3.0, 15.0, 1_000)}
    spec = spec_of(budget_usd=1.0, prices=prices)
    bounds = []
    for offered in (None, offer_of(item_of(1, "x" * 600))):
        run = debating.start(spec, offered)
        ask = next(ask for ask in machine.asks(run.state) if ask.agent == CLAUDE)
        bounds.append(bound_usd(run.state, ask))
    assert bounds[1] - bounds[0] >= 2 * 600 / 3 * 3.0 / 1e6


ISSUES = (OfferedIssue("It names no source.", "kn_1", 3, 0.75), OfferedIssue("No cost is told.", "kn_2", 2, 1.0))


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_critics_and_nobody_else_are_shown_what_earlier_debates_turned_on(preset: str) -> None:
    offered = KnowledgeOffered(why=NotOffered.NONE, checklist=ISSUES)
    run = debating.start(spec_of(protocol=PRESETS[preset]), offered).play()
    for request in run.requests:
        told = tuple(issue.text for issue in ISSUES) if request.ask.kind is AskKind.CRITIQUE else ()
        assert request.brief.checklist == told
    assert bool(briefs(run, AskKind.CRITIQUE)) is PRESETS[preset].critique


PRIORS = (OfferedPrior("tea", "kn_3", 0.734, 2, 3),)
CRUXES = (OfferedCrux("The disk is the bottleneck.", "kn_4", 2),)
BELIEVED = KnowledgeOffered(why=NotOffered.NONE, priors=PRIORS, cruxes=CRUXES)


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_who_answers_and_nobody_else_is_shown_what_earlier_debates_make_of_the_question(preset: str) -> None:
    run = debating.start(spec_of(protocol=PRESETS[preset]), BELIEVED).play()
    answering = (AskKind.PROPOSE, AskKind.REVISE)
    for request in run.requests:
        answers = request.ask.kind in answering
        assert request.brief.priors == (
            ("tea: 0.73 over 3 independent debates, 2 of them for it",)
            if answers or request.ask.kind is AskKind.CHALLENGE
            else ()
        )
        assert request.brief.cruxes == (tuple(crux.text for crux in CRUXES) if answers else ())
        assert not request.brief.nothing_known


def test_the_trickster_names_the_claims_that_divided_earlier_debates() -> None:
    protocol = Protocol("structured", rounds=1, positions=True)

    def answer(request: AgentRequest) -> Reply:
        reply = debating.answer_to(request)
        says = Proposal("Tea. It is mild.", 0.5, ())
        return replace(reply, content=says) if isinstance(reply.content, Proposal) else reply

    run = debating.start(spec_of(protocol=protocol), BELIEVED).play(answer)
    plain = debating.start(spec_of(protocol=protocol)).play(answer)
    (told,), (before,) = run.of(AgreementChallenged), plain.of(AgreementChallenged)
    assert told.challenge.startswith(before.challenge)
    assert '"The disk is the bottleneck."' in told.challenge
    assert {brief.challenge for brief in briefs(run, AskKind.CHALLENGE)} == {told.challenge}


def test_a_checklist_counts_in_the_bound_of_what_a_critique_may_cost() -> None:
    prices = {CLAUDE: AgentPrice(3.0, 15.0, 1_000)}
    bounds = []
    for checklist in ((), (OfferedIssue("x" * 200, "kn_1", 3, 0.75),)):
        offered = KnowledgeOffered(why=NotOffered.NONE, checklist=checklist)
        run = debating.start(spec_of(budget_usd=9.0, prices=prices), offered).until(AskKind.CRITIQUE)
        bounds.append(bound_usd(run.state, next(ask for ask in machine.asks(run.state) if ask.agent == CLAUDE)))
    assert bounds[1] - bounds[0] >= 2 * 200 / 4 * 3.0 / 1e6


# --- Citations --------------------------------------------------------------------------------------------


def test_a_citation_is_told_right_after_its_answer() -> None:
    run = debating.start(TAKES, offer_of()).play(citing(CLAUDE, "Tea [K2].", "K1: it is mild"))
    place = next(number for number, event in enumerate(run.events) if isinstance(event, KnowledgeCited))
    answer = run.events[place - 1]
    assert isinstance(answer, AnswerGiven)
    assert run.events[place] == KnowledgeCited(1, CLAUDE, answer.ask_id, ("K2", "K1"))


def test_an_answer_that_comes_twice_cites_once() -> None:
    run = debating.start(TAKES, offer_of())
    reply = citing(CLAUDE, "Tea [K1].")(run.pending()[0])
    run.give(reply)
    run.give(reply)
    assert len(run.of(KnowledgeCited)) == 1


def test_a_label_that_nobody_was_offered_is_told_to_critics_and_to_no_one_else() -> None:
    run = debating.start(TAKES, offer_of()).play(citing(CLAUDE, "Tea [K1][K9]."))
    assert run.of(KnowledgeCited)[0].unknown == ("K9",)
    told = {request.ask.kind for request in run.requests if request.brief.unfounded}
    assert told == {AskKind.CRITIQUE}
    for request in run.requests:
        if request.ask.kind is AskKind.CRITIQUE:
            assert request.brief.unfounded == (("K9",) if request.ask.target == CLAUDE else ())


@pytest.mark.parametrize("offered", [None, KnowledgeOffered(why=NotOffered.NONE)])
def test_without_an_offer_a_label_is_no_citation_and_with_an_empty_one_it_is_unknown(offered: Any) -> None:
    run = debating.start(spec_of(), offered).play(citing(CLAUDE, "Tea [K1]."))
    unknown = {label for event in run.of(KnowledgeCited) for label in event.unknown}
    assert unknown == (set() if offered is None else {"K1"})


# --- Decisions --------------------------------------------------------------------------------------------


def decided(text: str, *items: OfferedItem, **settings: Any) -> debating.Run:
    """A debate that all but one decide for the answer of the first agent."""
    spec = spec_of(protocol=PRESETS["ensemble"], options=("tea", "coffee"), **settings)

    def answer(request: AgentRequest) -> Reply:
        reply = debating.answer_to(request)
        if isinstance(reply.content, Proposal):
            mine = request.ask.agent != debating.AGENTS[3]
            says = text if request.ask.agent == CLAUDE else "An answer of another."
            evidence = ("one", "two") if request.ask.agent == CLAUDE else ()
            return replace(reply, content=Proposal(says, 0.6, evidence, "tea" if mine else "coffee"))
        return reply

    def voting(request: AgentRequest) -> Reply:
        reply = answer(request)
        if request.ask.kind is AskKind.VOTE:
            first = next(one.label for one in request.brief.candidates if one.text.startswith("tea"))
            return replace(reply, content=replace(reply.content, choice=first))  # type: ignore[union-attr,arg-type]
        return reply

    return debating.start(spec, offer_of(*items)).play(voting)


def test_a_decision_rests_on_what_the_winning_answer_cites() -> None:
    run = decided("Tea [K1].")
    assert run.state.decision is not None
    assert run.state.decision.reached
    assert [item.label for item in grounds(run.state)] == ["K1"]
    assert [item.label for item in reused(run.state)] == ["K1"]


def test_what_another_answer_cites_is_no_ground_of_the_decision() -> None:
    assert grounds(decided("Tea.").state) == ()


@pytest.mark.parametrize("source", ["", "deb_1"])
def test_an_item_of_no_debate_or_of_this_one_is_not_reused(source: str) -> None:
    run = decided("Tea [K1].", item_of(1, source_debate_id=source))
    assert len(grounds(run.state)) == 1
    assert reused(run.state) == ()


EARLIER = item_of(
    1, "We chose coffee.", kind=DECISION, position="Coffee", question_digest=question_digest("Tea or coffee?")
)


def test_a_decision_against_an_offered_one_says_so() -> None:
    run = decided("Tea.", EARLIER)
    assert run.state.decision is not None
    assert contradicted(run.state, "tea") == (EARLIER,)
    told = 'It contradicts the earlier decision of "rcp_101" that was offered as K1: "Coffee".'
    assert run.state.decision.explanation.endswith(told)


@pytest.mark.parametrize(
    "changes",
    [
        {"position": "tea"},
        {"position": ""},
        {"position": "water"},
        {"disputed": True},
        {"kind": "fact"},
        {"question_digest": ""},
        {"question_digest": question_digest("Tea or cocoa?")},
    ],
)
def test_what_is_no_contradiction_for_sure_is_not_called_one(changes: dict[str, Any]) -> None:
    run = decided("Tea.", replace(EARLIER, **changes))
    assert run.state.decision is not None
    assert "contradicts" not in run.state.decision.explanation


def test_open_answers_are_not_compared() -> None:
    run = debating.start(TAKES, offer_of(EARLIER)).play()
    assert run.state.decision is not None
    assert contradicted(run.state, run.state.decision.position) == ()


# --- Laws -------------------------------------------------------------------------------------------------

items = st.lists(
    st.builds(
        item_of,
        st.integers(1, 9),
        st.text(min_size=1, max_size=60, alphabet=st.characters(exclude_categories=["Cs", "Cc"])),
        kind=st.sampled_from([DECISION, "fact"]),
        disputed=st.booleans(),
        dissent=st.sampled_from(["", "No."]),
        position=st.sampled_from(["", "tea", "coffee"]),
        question_digest=st.sampled_from(["", question_digest("Tea or coffee?")]),
    ),
    max_size=8,
    unique_by=lambda item: item.item_id,
).map(lambda found: tuple(replace(item, label=f"K{number}") for number, item in enumerate(found, 1)))


@settings(max_examples=40, deadline=None)
@given(
    items,
    st.sampled_from(sorted(PRESETS)),
    st.sampled_from(Topology),
    st.booleans(),
    st.lists(st.sampled_from(["Tea.", "Tea [K1].", "Coffee [K2, K8].", "Neither (K3)."]), min_size=4, max_size=4),
)
def test_a_replay_sees_what_the_agents_saw(
    offered: tuple[OfferedItem, ...], preset: str, topology: Topology, options: bool, texts: list[str]
) -> None:
    spec = spec_of(protocol=replace(PRESETS[preset], topology=topology), options=("tea", "coffee") if options else ())
    run = debating.Run()
    run.take([machine.first_event(replace(spec, knowledge=True))])
    run.take(
        [
            KnowledgeOffered(
                offered, None if offered else NotOffered.NONE, *((ISSUES, PRIORS, CRUXES) if options else ())
            )
        ]
    )
    run.advance()
    says = dict(zip(debating.AGENTS, texts, strict=True))

    def answer(request: AgentRequest) -> Reply:
        reply = debating.answer_to(request)
        if isinstance(reply.content, Proposal):
            return replace(reply, content=replace(reply.content, text=says[request.ask.agent]))
        return reply

    for _ in range(CAP):
        payloads = [row.payload for row in journal.rows_of("deb_1", 1, 1.0, run.events)]
        again = machine.replay(journal.events_of(payloads))
        assert again == run.state
        assert [machine.request(again, ask, 30.0) for ask in machine.asks(again)] == run.pending()
        if not machine.asks(run.state):
            break
        run.step(answer)
    assert run.state.decision is not None


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_an_empty_offer_changes_nothing_of_the_course(preset: str) -> None:
    spec = spec_of(protocol=PRESETS[preset])
    without = debating.start(spec).play()
    empty = debating.start(spec, KnowledgeOffered(why=NotOffered.LATE)).play()
    assert [event for event in empty.events[1:] if not isinstance(event, KnowledgeOffered)] == without.events[1:]
    assert len(empty.of(CritiqueGiven)) == len(without.of(CritiqueGiven))
