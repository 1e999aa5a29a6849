"""Which answers are one position, and what that does to a debate."""

from __future__ import annotations

import re
import time
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import debating

from aragora.debate import machine
from aragora.debate.machine.positions import Found, found, movers
from aragora.debate.model import (
    AgentRequest,
    AnswersGrouped,
    AskKind,
    ConvergenceMeasured,
    Grouping,
    Position,
    Proposal,
    Reply,
    Topology,
)
from aragora.debate.protocol import preset
from aragora.errors import Conflict, InvalidInput

WORD = re.compile("Petersburg|Louis")
THREE = ("ann", "bob", "eve")
AGREEING = {
    "ann": "Yes, because most customers pay by card.",
    "bob": "It is better to accept cards: the fees are small.",
    "eve": "Yes, since cash costs more than it seems.",
}


def saying(texts: dict[str, str], groups: tuple[tuple[str, ...], ...] | None = None, evidence: bool = True):  # noqa: ANN201
    """Agents that keep to their texts, and group them as `groups` of names says."""

    def answer(request: AgentRequest) -> Reply:
        reply = debating.answer_to(request)
        if isinstance(reply.content, Proposal):
            facts = (f"a fact of {request.ask.agent}", "the common fact") if evidence else ()
            return replace(reply, content=Proposal(texts[request.ask.agent], 0.7, facts, reply.content.option))
        if isinstance(reply.content, Grouping) and groups is not None:
            authors = {text: name for name, text in texts.items()}
            labels = {authors[candidate.text]: candidate.label for candidate in request.brief.candidates}
            return replace(reply, content=Grouping(tuple(tuple(labels[name] for name in group) for group in groups)))
        return reply

    return answer


def with_answers(texts: dict[str, str], question: str = "Which?") -> machine.DebateState:
    spec = debating.spec_of(tuple(texts), preset("ensemble"), question=question)
    state = machine.DebateState(spec=spec, participants=spec.agents, round=1)
    state.answers = {agent: debating.given(agent, text) for agent, text in texts.items()}
    return state


def groups_of(now: Found) -> list[tuple[str, ...]]:
    return [position.authors for position in now.positions]


# --- Finding them -----------------------------------------------------------------------------------------


def test_the_same_conclusion_word_by_word_is_one_position_whatever_follows() -> None:
    now = found(with_answers({"ann": "Use PostgreSQL. It is old.", "bob": "use  PostgreSQL! It is fast."}))
    assert groups_of(now) == [("ann", "bob")]
    assert now.found_by == "texts"


@pytest.mark.parametrize(
    "frame",
    [
        "1. ",
        "St. ",
        "Dr. ",
        "# Recommendation\n\n",
        "**Answer**\n",
        "Answer:\n",
        "Conclusion\n",
        "Great question! ",
        "Sure. ",
        "Here is my answer: ",
        "Use a database, e.g. ",
        "It depends. ",
        "(a) ",
        "I would choose no. 1, ",
        "**1.** ",
        "My final answer.\n",
    ],
)
def test_what_many_write_before_their_conclusion_is_none(frame: str) -> None:
    """Models that begin with a heading or a greeting were one position, agreed, and decided without a vote."""
    texts = {"ann": f"{frame}Petersburg. It is large.", "bob": f"{frame}Louis. It is small."}
    run = debating.start(debating.spec_of(("ann", "bob"), preset("structured")))
    run.until(AskKind.GROUP, saying(texts))
    assert groups_of(found(run.state)) == [("ann",), ("bob",)]
    assert {"Petersburg", "Louis"} == {word for one in found(run.state).positions for word in WORD.findall(one.name)}
    same = {"ann": f"{frame}Petersburg. It is large.", "bob": f"{frame}Petersburg. It is large!"}
    assert groups_of(found(with_answers(same))) == [("ann", "bob")]


@pytest.mark.parametrize("text", [":" * 20_000 + "x", "a " * 10_000 + "no", "(" * 20_000, "no" + "*" * 20_000 + "x"])
def test_no_text_takes_long_to_be_read(text: str) -> None:
    began = time.process_time()
    found(with_answers({"ann": text, "bob": f"{text}."}))
    assert time.process_time() - began < 0.5


def test_one_decisive_word_more_or_less_is_another_conclusion() -> None:
    long = "In the next quarter the whole team should move the main billing system to "
    now = found(with_answers({"ann": f"{long}PostgreSQL.", "bob": f"{long}MySQL."}))
    assert groups_of(now) == [("ann",), ("bob",)]


def test_yes_and_no_tell_the_positions_of_a_question_that_offers_nothing_else() -> None:
    texts = {"ann": "Yes, cards.", "bob": "No: fees.", "eve": "YES. Customers want it."}
    assert groups_of(found(with_answers(texts, "Should a shop take cards?"))) == [("ann", "eve"), ("bob",)]
    assert groups_of(found(with_answers(texts, "Cards or cash?"))) == [("ann",), ("bob",), ("eve",)]


@pytest.mark.parametrize(
    ("question", "one", "other"),
    [
        ("How many users may the free plan have?", "No more than 10.", "No limit at all."),
        ("Name a limit for the free plan.", "No more than 10.", "No fewer than 50, ever."),
        ("Should we accept cards?", "Yes, accept.", "Yes and no: it depends."),
        ("Name the first choice.", "No. 1 is Oslo.", "No. 2 is Oslo."),
        ("Name a kind of tool.", "No-code tools.", "No/low code."),
        ("Should we migrate, and when?", "Yes, today.", "Yes, in three years."),
        ("Which of the two should go, and why?", "Yes, the first.", "Yes, the second."),
        ("Is it cats vs dogs?", "Yes, cats.", "Yes, dogs."),
    ],
)
def test_a_yes_or_no_that_does_not_tell_the_whole_answer_tells_no_position(question: str, one: str, other: str) -> None:
    run = debating.start(debating.spec_of(("ann", "bob"), preset("structured"), question=question))
    run.until(AskKind.GROUP, saying({"ann": one, "bob": other}))
    assert groups_of(found(run.state)) == [("ann",), ("bob",)]


@pytest.mark.parametrize(
    "text",
    [
        "No.",
        "no",
        "**No**",
        "*No* it\u2019s a myth",
        "No, fees.",
        "No: fees.",
        "No - fees.",
        "No — fees",
        "No!",
        "No (fees).",
        "No because of fees",
        "No we should not",
        "No, 5 is enough",
        '"No" is right',
        "No. It is Friday",
        "No.\nFees",
    ],
)
def test_a_no_that_answers_is_one_however_it_goes_on(text: str) -> None:
    state = with_answers({"ann": text, "bob": "No, cash.", "eve": "Yes, cards."}, "Should a shop take cards?")
    assert groups_of(found(state)) == [("ann", "bob"), ("eve",)]


def test_a_yes_and_a_no_of_another_meaning_are_not_parted_where_an_agent_put_them_together() -> None:
    state = with_answers({"ann": "Yes, accept.", "bob": "No doubt you should accept."}, "Should a shop take cards?")
    state.grouping = AnswersGrouped(1, "ann", "ask", (("ann", "bob"),), "", debating.USAGE)
    assert groups_of(found(state)) == [("ann", "bob")]


def test_with_options_the_options_are_the_positions() -> None:
    state = with_answers({"ann": "Go. Surely.", "bob": "Stay. Surely.", "eve": "Leave at once."})
    state.spec = replace(state.spec, options=("stay", "go"))
    for agent, option in (("ann", "go"), ("bob", "stay"), ("eve", "go")):
        state.answers[agent] = replace(state.answers[agent], option=option)
    now = found(state)
    assert [(one.name, one.authors) for one in now.positions] == [("go", ("ann", "eve")), ("stay", ("bob",))]
    assert now.found_by == "options"


def test_no_grouping_puts_a_yes_and_a_no_together() -> None:
    state = with_answers({"ann": "Yes, cards.", "bob": "No, cash.", "eve": "Cards are the way."}, "Cards or cash?")
    together = AnswersGrouped(1, "ann", "ask", (("ann", "bob", "eve"),), "", debating.USAGE)
    state.grouping = together
    assert groups_of(found(state)) == [("ann", "eve"), ("bob",)]


def test_a_grouping_of_other_answers_is_not_taken() -> None:
    state = with_answers({"ann": "Tea.", "bob": "Coffee."})
    state.grouping = AnswersGrouped(1, "ann", "ask", (("ann", "mallory"), ("bob",)), "", debating.USAGE)
    assert groups_of(found(state)) == [("ann",), ("bob",)]
    assert found(state).found_by == "texts"


def test_the_spokesman_is_the_author_with_the_most_evidence() -> None:
    state = with_answers({"ann": "Tea.", "bob": "Tea."})
    state.answers["bob"] = replace(state.answers["bob"], evidence=("a study",))
    (position,) = found(state).positions
    assert (position.spokesman, position.name) == ("bob", "Tea")


holders = st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=8, unique=True).map(tuple)


@given(st.data())
def test_what_is_found_is_always_a_partition_of_those_who_hold_an_answer(data: st.DataObject) -> None:
    names = data.draw(holders)
    words = st.sampled_from(["Yes. A.", "No. B.", "Tea.", "Tea!", "Coffee. C.", "Neither."])
    state = with_answers({name: data.draw(words) for name in names})
    groups = data.draw(st.lists(st.lists(st.sampled_from([*names, "x"]), max_size=4).map(tuple), max_size=5).map(tuple))
    state.grouping = AnswersGrouped(1, names[0], "ask", groups, "", debating.USAGE)
    authors = [author for position in found(state).positions for author in position.authors]
    assert sorted(authors) == sorted(names)
    assert all(position.spokesman in position.authors for position in found(state).positions)


# --- Movement ---------------------------------------------------------------------------------------------


def held(*groups: str) -> tuple[Position, ...]:
    return tuple(Position(group, group[0], tuple(group)) for group in groups)


@pytest.mark.parametrize(
    ("before", "now", "moved"),
    [
        (("abc", "d"), ("abc", "d"), ()),
        (("abc", "d"), ("ab", "cd"), ("c",)),
        (("abc", "d"), ("abcd",), ("d",)),
        (("ab", "cd"), ("ab", "c", "d"), ("d",)),
        (("ab",), ("ab", "c"), ("c",)),
        (("ab",), ("abc",), ()),
        ((), ("ab",), ("a", "b")),
    ],
)
def test_who_moved_is_told_by_whom_one_stands_with(
    before: tuple[str, ...], now: tuple[str, ...], moved: tuple[str, ...]
) -> None:
    assert movers(held(*before), held(*now)) == moved


def test_an_option_that_all_its_authors_left_for_another_is_another_position() -> None:
    before = (Position("tea", "a", ("a", "b")), Position("coffee", "c", ("c",)))
    now = (Position("tea", "c", ("c",)), Position("coffee", "a", ("a", "b")))
    assert movers(before, now) == ("a", "b", "c")


# --- What the debate makes of them ------------------------------------------------------------------------


def test_agents_that_agree_in_their_own_words_are_not_split_by_their_own_votes() -> None:
    """The trial of issue "0 % alike": three agents said yes in three ways, each voted for itself, and nothing was
    reached."""
    spec = debating.spec_of(THREE, preset("structured"), question="Should a small shop accept card payments?")
    run = debating.start(spec).play(saying(AGREEING, (("ann", "bob", "eve"),)))
    decision = run.state.decision
    assert decision is not None
    assert (decision.reached, decision.confidence, decision.stopped_by) == (True, 1.0, "agreement")
    assert decision.support == "3 of 3 came to it"
    (grouped,) = run.of(AnswersGrouped)
    assert f"the same conclusion, as {grouped.agent} read them, so no vote was asked" in decision.explanation
    assert Counter(run.kinds()) == {AskKind.PROPOSE: 3, AskKind.GROUP: 1}
    (measured,) = run.of(ConvergenceMeasured)
    assert measured.agreement == 1.0
    assert measured.similarity < 0.5


def test_without_evidence_an_agreement_is_challenged_once_before_it_counts() -> None:
    spec = debating.spec_of(THREE, preset("structured"))
    run = debating.start(spec).play(saying(AGREEING, (("ann", "bob", "eve"),), evidence=False))
    assert Counter(run.kinds()) == {AskKind.PROPOSE: 3, AskKind.GROUP: 2, AskKind.CHALLENGE: 3}
    assert run.state.decision is not None
    assert run.state.decision.reached
    assert len({request.ask.ask_id for request in run.requests}) == len(run.requests)


def test_an_agreement_of_fewer_than_the_quorum_does_not_stop_the_debate_before_the_others_had_another_chance() -> None:
    agents = ("ann", "bob", "eve", "joe", "sue")
    texts = dict.fromkeys(agents, "Tea. It wakes.")

    def answer(request: AgentRequest) -> Reply:
        away = request.ask.round == 1 and request.ask.agent in agents[2:]
        return debating.failure_of(request, "overloaded") if away else saying(texts)(request)

    run = debating.start(debating.spec_of(agents, preset("structured"))).play(answer)
    decision = run.state.decision
    assert decision is not None
    assert (decision.reached, decision.rounds, decision.stopped_by) == (True, 2, "agreement")
    assert decision.support == "5 of 5 came to it"

    def never(request: AgentRequest) -> Reply:
        return debating.failure_of(request) if request.ask.agent in agents[2:] else saying(texts)(request)

    run = debating.start(debating.spec_of(agents, preset("structured"))).play(never)
    decision = run.state.decision
    assert decision is not None
    assert (decision.reached, decision.rounds, decision.stopped_by) == (False, 2, "unmoved")
    assert decision.support == "2 of 5 came to it, 3 did not answer"


def test_a_debate_goes_on_between_positions_and_stops_when_none_moves() -> None:
    texts = {"claude": "Tea. It wakes.", "gpt": "Tea. It is warm.", "gemini": "Coffee. Strong.", "grok": "Tea. Good."}
    run = debating.start(debating.spec_of(protocol=preset("structured"))).play(
        saying(texts, (("claude", "gpt", "grok"), ("gemini",)))
    )
    assert Counter(run.kinds()) == {
        AskKind.PROPOSE: 4,
        AskKind.GROUP: 2,
        AskKind.CRITIQUE: 2,
        AskKind.REVISE: 4,
        AskKind.VOTE: 4,
    }
    decision = run.state.decision
    assert decision is not None
    assert decision.stopped_by == "unmoved"
    critiques = [request for request in run.requests if request.ask.kind is AskKind.CRITIQUE]
    assert {request.brief.candidates[0].text.split(".")[0] for request in critiques} == {"Tea", "Coffee"}
    ballots = [request for request in run.requests if request.ask.kind is AskKind.VOTE]
    assert all(len(request.brief.candidates) == 2 for request in ballots)


def test_options_need_no_grouping_and_the_decision_names_the_winning_one() -> None:
    spec = debating.spec_of(protocol=preset("ensemble"), options=("tea", "coffee", "water"))
    run = debating.start(spec).play()
    assert Counter(run.kinds()) == {AskKind.PROPOSE: 4, AskKind.VOTE: 4}
    decision = run.state.decision
    assert decision is not None
    assert decision.position in spec.options
    assert {tally.position for tally in decision.tallies} == set(spec.options)


def test_an_answer_that_names_none_of_the_options_is_a_failure() -> None:
    spec = debating.spec_of(protocol=preset("ensemble"), options=("tea", "coffee"))
    run = debating.start(spec)
    reply = debating.answer_to(run.pending()[0])
    (event,) = machine.settle(run.state, replace(reply, content=Proposal("Water.", 0.5, (), "water")))
    assert getattr(event, "code", "") == "malformed_answer"


def test_where_nobody_groups_the_answers_texts_do_and_the_vote_goes_on() -> None:
    def silent(request: AgentRequest) -> Reply:
        grouping = request.ask.kind is AskKind.GROUP
        return debating.failure_of(request) if grouping else debating.answer_to(request)

    run = debating.start(debating.spec_of(protocol=preset("ensemble"))).play(silent)
    assert Counter(run.kinds())[AskKind.VOTE] == 4
    assert run.of(ConvergenceMeasured)[-1].found_by == "texts"


def test_the_grouping_turns_among_the_participants() -> None:
    spec = debating.spec_of(protocol=replace(preset("structured", rounds=4), settles=False))
    run = debating.start(spec).play()
    readers = [request.ask.agent for request in run.requests if request.ask.kind is AskKind.GROUP]
    assert len(set(readers)) == len(readers) == 4


def test_a_judge_that_answers_nothing_itself_groups_the_answers() -> None:
    run = debating.start(debating.spec_of(("pro", "contra", "judge"), preset("duel"))).play()
    assert {request.ask.agent for request in run.requests if request.ask.kind is AskKind.GROUP} == {"judge"}


def test_a_chair_that_writes_for_another_option_is_not_followed() -> None:
    def chair(request: AgentRequest) -> Reply:
        reply = debating.answer_to(request)
        if request.ask.kind is AskKind.SYNTHESIZE:
            return replace(reply, content=Proposal("Water, surely.", 0.9, (), "water"))
        return reply

    spec = debating.spec_of(protocol=preset("council"), options=("tea", "coffee", "water"))
    decision = debating.start(spec).play(chair).state.decision
    assert decision is not None
    if decision.position != "water":
        assert 'wrote for "water" instead' in decision.explanation
        assert decision.answer != "Water, surely."


def test_a_chair_whose_text_shares_nothing_with_the_answers_is_marked() -> None:
    def chair(request: AgentRequest) -> Reply:
        reply = debating.answer_to(request)
        if request.ask.kind is AskKind.SYNTHESIZE:
            return replace(reply, content=Proposal("Sorry, nothing can be said here.", 0.9))
        return reply

    decision = debating.start(debating.spec_of(protocol=preset("council"))).play(chair).state.decision
    assert decision is not None
    assert "shares next to nothing with any answer" in decision.explanation


def test_naming_a_topology_asks_for_the_full_exchange() -> None:
    full = preset("structured", topology="all_to_all")
    assert (full.topology, full.settles) == (Topology.ALL_TO_ALL, False)
    spec = debating.spec_of(protocol=full, options=("tea", "coffee"))
    assert len(debating.start(spec).play().requests) == 52


# --- A person corrects them -------------------------------------------------------------------------------


def before_the_vote() -> debating.Run:
    texts = {"ann": "Tea. It wakes.", "bob": "A hot infusion. Good.", "eve": "Coffee. Strong."}
    run = debating.start(debating.spec_of(THREE, preset("ensemble")))
    return run.until(AskKind.VOTE, saying(texts, (("ann",), ("bob",), ("eve",))))


def test_a_person_puts_answers_together_and_the_votes_follow() -> None:
    run = before_the_vote()
    run.take([machine.correct(run.state, "mary", (("ann", "bob"),), "c1")])
    run.play()
    decision = run.state.decision
    assert decision is not None
    assert [tally.authors for tally in decision.tallies if len(tally.authors) > 1] == [("ann", "bob")]
    assert sum(tally.votes for tally in decision.tallies) == 3
    assert "mary corrected" in decision.explanation


def test_ballots_that_were_handed_out_keep_their_labels_through_a_correction() -> None:
    run = before_the_vote()
    request = run.pending()[0]
    shown = {candidate.label: candidate.text for candidate in request.brief.candidates}
    run.take([machine.correct(run.state, "mary", (("ann", "bob"),), "c1")])
    (event,) = machine.settle(run.state, debating.answer_to(request))
    assert run.state.answers[event.choice].content == shown["A"]  # type: ignore[union-attr]


def test_a_correction_that_the_next_comparison_would_undo_is_refused_and_not_lost() -> None:
    texts = {"ann": "Tea.", "bob": "A hot leaf drink.", "eve": "Coffee."}
    run = debating.start(debating.spec_of(THREE, preset("structured"))).until(AskKind.CRITIQUE, saying(texts))
    run.take([machine.correct(run.state, "mary", (("ann", "bob"),), "c1")])
    run.until(AskKind.REVISE, saying(texts))
    assert [one.authors for one in run.state.shown_positions] == [("ann", "bob"), ("eve",)]
    for kind in (AskKind.REVISE, AskKind.GROUP):
        run.until(kind, saying(texts))
        with pytest.raises(Conflict, match="wait for the end of the round") as refused:
            machine.correct(run.state, "mary", (("ann", "bob"),), "c2")
        assert refused.value.code == "answers_underway"


def test_where_a_correction_makes_all_agree_and_no_vote_arrives_the_vote_is_not_said_never_to_have_been_asked() -> None:
    run = before_the_vote()
    run.take([machine.correct(run.state, "mary", (THREE,), "c1")])
    decision = run.play(debating.failure_of).state.decision
    assert decision is not None
    assert "No vote arrived, and all answers come to the same conclusion" in decision.explanation
    assert "no vote was asked" not in decision.explanation


@pytest.mark.parametrize(
    ("groups", "told"),
    [
        ((("ann", "ann"),), "named twice"),
        ((("ann", "mallory"),), "has no answer"),
        ((), "names no agent"),
    ],
)
def test_a_correction_that_makes_no_sense_is_refused(groups: tuple[tuple[str, ...], ...], told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        machine.correct(before_the_vote().state, "mary", groups, "c1")


def test_there_is_nothing_to_correct_with_options_before_a_round_or_without_positions() -> None:
    run = debating.start(debating.spec_of(protocol=preset("ensemble"), options=("a", "b")))
    with pytest.raises(InvalidInput, match="options"):
        machine.correct(run.state, "mary", (("gpt",),), "c1")
    run = debating.start(debating.spec_of(protocol=preset("ensemble")))
    run.give(debating.answer_to(run.pending()[0]))
    with pytest.raises(Conflict, match="wait for the end of the round"):
        machine.correct(run.state, "mary", (("claude",),), "c1")
    with pytest.raises(InvalidInput, match="each answer by itself"):
        machine.correct(debating.start().state, "mary", (("gpt",),), "c1")
