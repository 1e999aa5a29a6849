"""Who took part, who did not and why, and how a degraded result says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from worlds import debating

from aragora.debate import machine
from aragora.debate.model import Abstained, Abstention, AgentRequest, AskKind, Ballot, Decision, Proposal, Reply, Usage
from aragora.debate.protocol import preset

Answerer = Callable[[AgentRequest], Reply]
FOUR = ("openai-api", "grok", "local", "grok-pragmatist")


def failing(agents: tuple[str, ...], *kinds: AskKind, code: str = "rejected") -> Answerer:
    def answer(request: AgentRequest) -> Reply:
        hit = request.ask.agent in agents and (not kinds or request.ask.kind in kinds)
        return debating.failure_of(request, code) if hit else debating.answer_to(request)

    return answer


def abstaining(agents: tuple[str, ...], *kinds: AskKind) -> Answerer:
    def answer(request: AgentRequest) -> Reply:
        reply = debating.answer_to(request)
        hit = request.ask.agent in agents and request.ask.kind in kinds
        return replace(reply, content=Abstention("I cannot help with that.")) if hit else reply

    return answer


def decided(answerer: Answerer, protocol: str = "ensemble", agents: tuple[str, ...] = FOUR) -> Decision:
    decision = debating.start(debating.spec_of(agents, preset(protocol))).play(answerer).state.decision
    assert decision is not None
    return decision


def test_where_half_of_the_agents_fail_the_first_line_says_who_took_part_and_why_not_more() -> None:
    """Field 15: two of four answered, and the page said "100 % of the weight, confidence 80 %, no dissent"."""
    decision = decided(failing(("grok", "local")))
    assert decision.headline.startswith("Degraded:")
    assert "2 of 4 agents took part (grok: rejected, local: rejected)." in decision.headline
    assert decision.confidence <= 0.5
    assert not decision.reached
    assert decision.participation is not None
    assert decision.participation.asked == FOUR
    assert decision.participation.answered == ("openai-api", "grok-pragmatist")
    assert {(one.agent, one.wanted, one.code) for one in decision.participation.absent} == {
        ("grok", "answer", "rejected"),
        ("local", "answer", "rejected"),
    }


def test_who_answered_and_did_not_vote_is_told_with_the_cause() -> None:
    decision = decided(failing(("grok",), AskKind.VOTE, code="timeout"))
    assert decision.participation is not None
    assert [(one.agent, one.wanted, one.code) for one in decision.participation.absent] == [("grok", "vote", "timeout")]
    assert "1 did not vote" in decision.support
    assert decision.participation.degraded == ()


def test_an_abstention_is_a_ballot_and_an_answer_of_its_own() -> None:
    run = debating.start(debating.spec_of(FOUR, preset("ensemble")))
    run.play(abstaining(("grok",), AskKind.VOTE, AskKind.PROPOSE))
    decision = run.state.decision
    assert decision is not None
    assert [event.kind for event in run.of(Abstained)] == [AskKind.PROPOSE, AskKind.VOTE]
    assert "grok" not in [tally.agent for tally in decision.tallies]
    assert "1 abstained" in decision.support
    assert decision.participation is not None
    assert ("grok", "abstained") in {(one.agent, one.code) for one in decision.participation.absent}


def test_refusals_alone_are_no_decision() -> None:
    """Field 14: all agents refused in valid JSON, and the refusal won with confidence 100 %."""
    run = debating.start(debating.spec_of(FOUR, preset("ensemble"))).play(abstaining(FOUR, AskKind.PROPOSE))
    assert run.state.decision is None
    assert run.state.ended is not None
    assert 'abstained ("I cannot help with that.")' in run.state.ended.reason


@pytest.mark.parametrize(
    ("protocol", "kind", "told"),
    [("council", AskKind.SYNTHESIZE, "chair"), ("duel", AskKind.JUDGE, "judge")],
)
@pytest.mark.parametrize("silent", [failing, abstaining])
def test_a_silent_chair_or_judge_degrades_the_result(
    protocol: str, kind: AskKind, told: str, silent: Callable[..., Answerer]
) -> None:
    decision = decided(silent(FOUR, kind), protocol)
    assert decision.participation is not None
    assert told in decision.participation.degraded
    assert decision.headline.startswith("Degraded:")


def test_without_a_single_vote_nobodys_own_word_is_the_confidence() -> None:
    """Field 14: all votes were malformed, and the author's own number stood as confidence 95 %."""
    decision = decided(failing(FOUR, AskKind.VOTE, code="malformed_answer"))
    assert decision.participation is not None
    assert "votes" in decision.participation.degraded
    assert decision.confidence == 0.25
    assert "did not" not in decision.support or "came to it" in decision.support


def test_personas_of_one_model_are_said_to_be_one_model() -> None:
    decision = decided(debating.answer_to)
    assert decision.participation is not None
    assert decision.participation.models == ("stub/stub-1",)
    assert 'All answers come from one model, "stub/stub-1".' in decision.headline


def test_a_judge_with_nothing_to_judge_is_not_said_to_have_stayed_away() -> None:
    def tea(request: AgentRequest) -> Reply:
        reply = debating.answer_to(request)
        return replace(reply, content=Proposal("Tea. It wakes.", 0.9)) if isinstance(reply.content, Proposal) else reply

    decision = decided(tea, "duel")
    assert decision.support == "3 of 3 came to it"
    assert "took part" not in decision.headline
    silent = decided(failing((FOUR[0],)), "duel")
    assert "3 of 4 agents took part (openai-api: rejected)." in silent.headline


def test_two_models_are_told_as_two() -> None:
    def two(request: AgentRequest) -> Reply:
        reply = debating.answer_to(request)
        model = "grok-4" if request.ask.agent.startswith("grok") else "gpt-5"
        return replace(reply, usage=Usage("x", model, 1, 1))

    decision = decided(two)
    assert decision.participation is not None
    assert decision.participation.models == ("x/gpt-5", "x/grok-4")
    assert "one model" not in decision.headline


def test_unanimity_needs_those_who_did_not_answer_too() -> None:
    def tea(request: AgentRequest) -> Reply:
        reply = debating.answer_to(request)
        if request.ask.agent == "grok":
            return debating.failure_of(request)
        return (
            replace(reply, content=Proposal("Tea. It wakes.", 0.9, ("a study",)))
            if "propose" in reply.ask_id
            else reply
        )

    strict = replace(preset("ensemble", consensus="unanimous"))
    decision = debating.start(debating.spec_of(FOUR, strict)).play(tea).state.decision
    assert decision is not None
    assert (decision.reached, decision.support) == (False, "3 of 4 came to it, 1 did not answer")


def test_the_grace_is_as_long_as_the_others_took() -> None:
    """Field 15: a local server that answers one call at a time lost its third agent in every phase."""
    run = debating.start(debating.spec_of(FOUR[:3], preset("ensemble")))
    for request in run.pending()[:2]:
        run.give(debating.answer_to(request))
    run.advance(machine.Timing(36.0, since_quorum_s=12.0))  # two answers after 24 s, the third after 36 s
    assert [ask.agent for ask in machine.asks(run.state)] == ["local"]
    assert machine.next_deadline_s(run.state, machine.Timing(36.0, 12.0)) == 60.0


@pytest.mark.parametrize("own", [True, False])
def test_a_judge_that_is_one_of_the_debaters_is_told_as_one(own: bool) -> None:
    """In a team of two nobody else is left to judge."""

    def rule(request: AgentRequest) -> Reply:
        answer = debating.answer_to(request)
        if request.ask.kind is AskKind.JUDGE:
            mine = run.state.answers["gpt"].content
            label = next(one.label for one in request.brief.candidates if (one.text == mine) is own)
            return replace(answer, content=Ballot(label, 0.9, "clear"))
        return answer

    run = debating.start(debating.spec_of(("claude", "gpt"), preset("duel"), judge="gpt"))
    decision = run.play(rule).state.decision
    assert decision is not None
    side = "for its own side" if own else "against its own side"
    assert f"The judge gpt decided for the answer of {'gpt' if own else 'claude'}." in decision.explanation
    assert f"It is one of the debaters, and decided {side}." in decision.explanation


def test_a_judge_that_does_not_debate_is_not_said_to() -> None:
    decision = debating.start(debating.spec_of(protocol=preset("duel"))).play().state.decision
    assert decision is not None
    assert "The judge" in decision.explanation
    assert "debaters" not in decision.explanation


def test_who_was_not_asked_for_an_answer_is_no_part_of_those_who_took_part() -> None:
    """A chair from outside is told as missing, but is none of the agents that are counted here."""
    spec = debating.spec_of(("openai-api", "grok", "local"), preset("council"), judge="grok-pragmatist")
    decision = debating.start(spec).play(failing(("grok-pragmatist", "local"))).state.decision
    assert decision is not None
    assert "2 of 3 agents took part (local: rejected)." in decision.headline


def test_an_agent_that_gave_no_answer_is_told_with_the_reason_of_that_and_not_of_what_it_missed_later() -> None:
    def answer(request: AgentRequest) -> Reply:
        failing_now = "timeout" if request.ask.kind is AskKind.PROPOSE else "rejected"
        return failing(("local",), code=failing_now)(request)

    spec = debating.spec_of(("openai-api", "grok", "local"), preset("council"), judge="local")
    decision = debating.start(spec).play(answer).state.decision
    assert decision is not None
    assert decision.participation is not None
    causes = [one.code for one in decision.participation.absent if one.agent == "local"]
    assert f"(local: {causes[0]})" in decision.headline
    assert len(set(causes)) > 1
