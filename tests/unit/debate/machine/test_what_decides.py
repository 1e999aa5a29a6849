"""Only what was asked for decides: no prose, no silence, no failure, and no copy of an answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from worlds import debating

from aragora.debate import machine
from aragora.debate.journal import row_of
from aragora.debate.model import (
    AgentFailed,
    AgentFailure,
    AgentRequest,
    AskKind,
    Ballot,
    DebateStatus,
    Decision,
    DecisionProposed,
    Proposal,
    Reply,
    VoteCast,
)
from aragora.debate.protocol import preset

Answerer = Callable[[AgentRequest], Reply]
TOO_LONG = "The prompt is too long: 9000 > 8192 tokens."


def saying(kind: AskKind, words: str) -> Answerer:
    """Agents that write `words` where they are asked for `kind`: as the text of an answer, or as a vote's reason."""

    def answer(request: AgentRequest) -> Reply:
        reply = choosing("gpt")(request)
        if request.ask.kind is not kind or isinstance(reply, AgentFailure):
            return reply
        if isinstance(reply.content, Ballot):
            return replace(reply, content=replace(reply.content, reason=words))
        return replace(reply, content=Proposal(words, 0.6, ("a source",)))

    return answer


def choosing(author: str) -> Answerer:
    """Agents that prefer the answer of `author`, whatever its label."""

    def answer(request: AgentRequest) -> Reply:
        reply = debating.answer_to(request)
        if not isinstance(reply.content, Ballot):
            return reply
        first = next(one.label for one in request.brief.candidates if author[::-1] in one.text)
        others = (one.label for one in request.brief.candidates if one.label != first)
        return replace(reply, content=Ballot(first, 0.9, "the clearest", (first, *others)))

    return answer


def failing(answerer: Answerer, kind: AskKind, *agents: str, code: str = "timeout", told: str = "no luck") -> Answerer:
    def answer(request: AgentRequest) -> Reply:
        if request.ask.kind is kind and request.ask.agent in agents:
            return AgentFailure(request.ask.ask_id, request.ask.agent, code, told)
        return answerer(request)

    return answer


def decided(protocol: str, answerer: Answerer) -> Decision:
    decision = debating.start(debating.spec_of(protocol=preset(protocol))).play(answerer).state.decision
    assert decision is not None
    return decision


def counted(decision: Decision) -> tuple[object, ...]:
    """All that was decided, without the words."""
    return decision.winner, decision.reached, decision.confidence, decision.tallies, decision.position


NEGATED = (
    "There are no failures, and nothing speaks against it.",
    "I do not reject it. It is not wrong, and nobody is against it.",
    "REJECTED: no.",
    "Approved? Not at all. Vote for the other one.",
)


@pytest.mark.parametrize("words", NEGATED)
def test_no_words_of_the_chair_turn_what_the_votes_decided(words: str) -> None:
    plain = decided("council", choosing("gpt"))
    said = decided("council", saying(AskKind.SYNTHESIZE, words))
    assert (plain.winner, plain.reached) == ("gpt", True)
    assert counted(said) == counted(plain)
    assert said.answer == words


@pytest.mark.parametrize("words", [*NEGATED, "B, clearly B, not A. My choice is C."])
@pytest.mark.parametrize(("protocol", "kind"), [("ensemble", AskKind.VOTE), ("duel", AskKind.JUDGE)])
def test_the_choice_of_a_vote_counts_and_no_word_of_its_reason(protocol: str, kind: AskKind, words: str) -> None:
    plain = decided(protocol, choosing("gpt"))
    assert (plain.winner, plain.reached) == ("gpt", True)
    assert counted(decided(protocol, saying(kind, words))) == counted(plain)


def led_by_the_chair() -> debating.Run:
    """A council whose chair repeats what leads, at its gate."""

    def answer(request: AgentRequest) -> Reply:
        reply = choosing("gpt")(request)
        if request.ask.kind is not AskKind.SYNTHESIZE or isinstance(reply, AgentFailure):
            return reply
        led = next(one.text for one in request.brief.candidates if one.label == request.brief.leading)
        return replace(reply, content=Proposal(f"In short: {led}", 0.6, ("a source",)))

    return debating.start(debating.spec_of(protocol=preset("council"), needs=("user:ann",))).play(answer)


def test_the_text_of_a_chair_that_wrote_for_another_position_does_not_become_the_winners() -> None:
    run = led_by_the_chair()
    before = run.of(DecisionProposed)[-1].decision
    assert (before.winner, before.answer) == ("gpt", f"In short: {run.state.answers['gpt'].content}")
    for person in "abcdefgh":
        run.take([machine.vote(run.state, person, "grok", 10, person)])
    run.advance()
    after = run.of(DecisionProposed)[-1].decision
    assert (after.winner, after.answer) == ("grok", run.state.answers["grok"].content)
    assert "wrote for the answer of gpt, which led until people turned the count" in after.explanation


def test_the_text_of_the_chair_stays_where_people_only_put_more_answers_to_the_position_it_words() -> None:
    run = led_by_the_chair()
    run.take([machine.correct(run.state, "mary", (("claude", "gpt"),), "c1")])
    run.advance()
    after = run.of(DecisionProposed)[-1].decision
    assert after.answer.startswith("In short: ")


def test_two_of_four_votes_for_one_answer_are_half_and_decide_nothing() -> None:
    silent = failing(choosing("gpt"), AskKind.VOTE, "gemini", "gpt")
    decision = decided("ensemble", silent)
    assert (decision.winner, decision.reached) == ("gpt", False)
    assert decision.confidence == pytest.approx(0.5)
    assert "2 did not vote" in decision.support


def test_a_deadline_is_no_vote_for_or_against_anything() -> None:
    run = debating.start(debating.spec_of(protocol=preset("ensemble"))).until(AskKind.VOTE)
    quick, *slow = run.pending()
    for request in (quick, slow.pop(0)):
        run.give(choosing("claude")(request))
    run.advance(machine.Timing(120.0, 110.0))
    late = {request.ask.agent for request in slow}
    assert {event.agent for event in run.of(AgentFailed)} == late
    assert {event.code for event in run.of(AgentFailed)} == {"deadline"}
    assert not late & {event.agent for event in run.of(VoteCast)}
    decision = run.state.decision
    assert decision is not None
    assert not late & {voter for tally in decision.tallies for voter in tally.voters}
    assert not late & {dissent.agent for dissent in decision.dissent}
    assert not decision.reached


def test_the_place_of_a_silent_agent_is_not_filled_with_a_copy() -> None:
    run = debating.start(debating.spec_of(protocol=preset("ensemble")))
    run.play(failing(debating.answer_to, AskKind.PROPOSE, "claude", "gpt"))
    ballots = [request.brief.candidates for request in run.requests if request.ask.kind is AskKind.VOTE]
    assert {len(candidates) for candidates in ballots} == {2}
    assert run.state.decision is not None
    assert sorted(tally.agent for tally in run.state.decision.tallies) == ["gemini", "grok"]


def test_a_question_that_is_too_long_for_everybody_ends_without_a_decision_and_with_the_reason() -> None:
    silent = failing(debating.answer_to, AskKind.PROPOSE, *debating.AGENTS, code="context_too_long", told=TOO_LONG)
    run = debating.start().play(silent)
    assert run.state.decision is None
    assert machine.status(run.state) is DebateStatus.FAILED
    assert run.state.ended is not None
    assert TOO_LONG in run.state.ended.reason


def test_the_reason_for_which_one_agent_said_nothing_stands_in_journal_and_decision() -> None:
    silent = failing(debating.answer_to, AskKind.PROPOSE, "grok", code="context_too_long", told=TOO_LONG)
    run = debating.start(debating.spec_of(protocol=preset("ensemble"))).play(silent)
    (event,) = run.of(AgentFailed)
    assert TOO_LONG in row_of("deb_1", 1, 0.0, event).payload
    decision = run.state.decision
    assert decision is not None
    assert decision.participation is not None
    told = {(one.agent, one.code, one.message) for one in decision.participation.absent}
    assert ("grok", "context_too_long", TOO_LONG) in told


@pytest.mark.parametrize("answers", [("A", "An", "The", "I"), ("!", "?", "...", "-"), ("A", "a.", "B", "C")])
def test_an_answer_of_a_letter_or_a_mark_is_counted_like_any_other(answers: tuple[str, ...]) -> None:
    words = dict(zip(debating.AGENTS, answers, strict=True))

    def answer(request: AgentRequest) -> Reply:
        reply = debating.answer_to(request)
        if request.ask.kind is AskKind.PROPOSE:
            return replace(reply, content=Proposal(words[request.ask.agent], 0.5, (f"of {request.ask.agent}",)))
        if request.ask.kind is AskKind.VOTE:
            label = next(one.label for one in request.brief.candidates if one.text.split("\n")[0] == words["claude"])
            return replace(reply, content=Ballot(label, 0.9))
        return reply

    decision = decided("ensemble", answer)
    assert sorted(author for tally in decision.tallies for author in tally.authors) == sorted(debating.AGENTS)
    assert decision.winner == "claude"
    assert decision.reached
    assert decision.tallies[0].votes == 4
