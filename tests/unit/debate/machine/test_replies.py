"""From replies to events: labels become names, nonsense becomes a failure, and nothing counts twice."""

from dataclasses import replace

import pytest
from worlds import debating

from aragora.debate import machine
from aragora.debate.model import (
    AgentFailed,
    AnswerGiven,
    AskKind,
    Ballot,
    Critique,
    Fallback,
    FallbackUsed,
    Proposal,
    VoteCast,
)
from aragora.debate.protocol import preset

BY_FALLBACK = Fallback("anthropic", "openrouter", "claude", "overloaded", 0.3)


def test_an_answer_becomes_one_event_and_leaves_the_state_alone() -> None:
    run = debating.start()
    before = machine.replay(run.events)
    (event,) = machine.settle(run.state, debating.answer_to(run.pending()[0]))
    assert isinstance(event, AnswerGiven)
    assert (event.agent, event.round, event.kind) == ("claude", 1, AskKind.PROPOSE)
    assert run.state == before


def test_an_unknown_ask_is_ignored() -> None:
    run = debating.start()
    reply = replace(debating.answer_to(run.pending()[0]), ask_id="deb_1/7/propose/claude")
    assert machine.settle(run.state, reply) == ()


def test_an_answer_given_twice_counts_and_costs_once() -> None:
    run = debating.start()
    reply = debating.answer_to(run.pending()[0])
    run.give(reply)
    assert machine.settle(run.state, reply) == ()
    machine.apply(run.state, run.events[-1])
    assert (run.state.answered, run.state.cost_usd) == (1, 0.001)


def test_a_fallback_is_told_before_what_it_led_to() -> None:
    run = debating.start()
    good, bad = run.pending()[:2]
    told, answer = machine.settle(run.state, replace(debating.answer_to(good), fallback=BY_FALLBACK))
    assert (told, answer.fallback) == (FallbackUsed(1, "claude", good.ask.ask_id, BY_FALLBACK, True), BY_FALLBACK)
    told, failed = machine.settle(run.state, replace(debating.failure_of(bad), fallback=BY_FALLBACK))
    assert isinstance(told, FallbackUsed)
    assert not told.succeeded
    assert isinstance(failed, AgentFailed)


@pytest.mark.parametrize("content", [Ballot("A"), Critique(("no",)), Proposal("  ")])
def test_an_answer_of_the_wrong_shape_is_a_failure_that_was_paid_for(content: Ballot | Critique | Proposal) -> None:
    run = debating.start()
    (event,) = machine.settle(run.state, replace(debating.answer_to(run.pending()[0]), content=content))
    assert isinstance(event, AgentFailed)
    assert (event.code, event.usage) == ("malformed_answer", debating.USAGE)


def test_a_vote_for_a_label_that_was_not_shown_is_a_failure() -> None:
    run = debating.start().until(AskKind.VOTE)
    (event,) = machine.settle(run.state, replace(debating.answer_to(run.pending()[0]), content=Ballot("Q")))
    assert isinstance(event, AgentFailed)
    assert "'Q'" in event.message


def test_a_vote_goes_to_the_author_of_the_text_behind_its_label() -> None:
    run = debating.start().until(AskKind.VOTE)
    for request in run.pending():
        for candidate in request.brief.candidates:
            vote = replace(debating.answer_to(request), content=Ballot(candidate.label))
            (event,) = machine.settle(run.state, vote)
            assert isinstance(event, VoteCast)
            assert run.state.answers[event.choice].content == candidate.text


def test_a_ranking_is_turned_into_names_and_not_completed() -> None:
    run = debating.start(debating.spec_of(protocol=preset("council"))).until(AskKind.RANK)
    request = run.pending()[0]
    reply = replace(debating.answer_to(request), content=Ballot("C", 0.5, "", ("C", "A")))
    (event,) = machine.settle(run.state, reply)
    texts = [run.state.answers[agent].content for agent in event.ranking]
    shown = {candidate.label: candidate.text for candidate in request.brief.candidates}
    assert texts == [shown["C"], shown["A"]]


@pytest.mark.parametrize(("given", "kept"), [(7.0, 1.0), (-1.0, 0.0), (float("nan"), 0.0), (0.3, 0.3)])
def test_a_confidence_is_kept_within_0_and_1(given: float, kept: float) -> None:
    run = debating.start()
    reply = replace(debating.answer_to(run.pending()[0]), content=Proposal("tea", given))
    assert machine.settle(run.state, reply)[0].confidence == kept


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -1.0, 1e12])
def test_a_cost_that_cannot_be_true_counts_as_nothing_and_the_answer_is_kept(number: float) -> None:
    run = debating.start()
    (event,) = machine.settle(run.state, debating.answer_to(run.pending()[0], cost_usd=number))
    assert isinstance(event, AnswerGiven)
    assert event.usage == replace(debating.USAGE, cost_usd=0.0)


@pytest.mark.parametrize("count", [-1, 2**53, 10**400])
def test_a_count_that_cannot_be_true_counts_as_nothing_and_the_others_stay(count: int) -> None:
    run = debating.start()
    reply = debating.answer_to(run.pending()[0])
    (event,) = machine.settle(run.state, replace(reply, usage=replace(reply.usage, input_tokens=count)))
    assert isinstance(event, AnswerGiven)
    assert event.usage == replace(debating.USAGE, input_tokens=0)
