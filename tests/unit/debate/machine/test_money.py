"""What is reserved, what goes out and what is settled: a budget is overrun by one ask at most."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import debating

from aragora.debate import machine
from aragora.debate.machine.money import BUDGET, bound_usd
from aragora.debate.model import (
    AGENT_LOST,
    DEADLINE,
    AgentFailed,
    AgentPrice,
    AgentRequest,
    AskKind,
    DebateEnded,
    LateAnswer,
    Protocol,
    Reply,
    Usage,
)
from aragora.debate.protocol import PRESETS, preset

PRICE = AgentPrice(3.0, 15.0, 1_000)  # a call costs about 0.02 USD at most
PRICES = dict.fromkeys(debating.AGENTS, PRICE)


def costing(usd: float) -> Any:
    def answer(request: AgentRequest) -> Reply:
        return debating.answer_to(request, usd)

    return answer


def start(budget_usd: float, protocol: Protocol | None = None) -> debating.Run:
    spec = debating.spec_of(protocol=protocol or preset("ensemble"), budget_usd=budget_usd, prices=PRICES)
    return debating.start(spec)


def test_only_as_many_asks_go_out_as_the_budget_can_bear_at_their_worst() -> None:
    bound = start(10.0).pending()[0].reserved_usd
    assert bound is not None
    assert bound == bound_usd(start(10.0).state, machine.asks(start(10.0).state)[0])
    assert len(start(2.5 * bound).pending()) == 2
    assert len(start(0.5 * bound).pending()) == 1, "one goes out all the same, or nothing would"


def test_a_settled_ask_lets_the_next_one_go_out() -> None:
    run = start(0.1)
    first, *rest = run.pending()
    assert len(rest) < 3
    run.give(debating.answer_to(first, 0.001))
    assert len(run.pending()) == len(rest) + 1


def test_an_answer_to_an_ask_that_this_version_would_hold_back_counts_where_another_version_sent_it() -> None:
    run = start(0.05)
    held_back = run.state.open[next(reversed(run.state.waiting))]
    run.give(debating.answer_to(machine.request(run.state, held_back, 30.0)))
    assert held_back.agent in run.state.answers
    assert machine.replay(run.events) == run.state
    assert run.play().state.decision is not None


def test_what_cannot_be_paid_any_more_fails_unasked_and_the_answers_that_are_there_decide() -> None:
    run = start(0.1).play(costing(0.06))
    unasked = [event for event in run.of(AgentFailed) if event.code == BUDGET]
    assert unasked
    assert not {event.ask_id for event in unasked} & {request.ask.ask_id for request in run.requests}
    assert run.state.decision is not None
    assert run.state.decision.stopped_by == "budget"
    assert {one.code for one in run.state.decision.participation.absent} == {BUDGET}  # type: ignore[union-attr]


def test_a_debate_without_a_budget_or_without_prices_asks_everything_at_once() -> None:
    free = debating.start(debating.spec_of(protocol=preset("ensemble"), prices=PRICES))
    old = debating.start(debating.spec_of(protocol=preset("ensemble"), budget_usd=0.001))
    assert len(free.pending()) == len(old.pending()) == 4
    assert free.pending()[0].reserved_usd is None


def test_an_answer_that_comes_after_its_phase_counts_for_nothing_but_its_cost() -> None:
    run = start(10.0)
    late = run.pending()[3]
    for request in run.pending()[:3]:
        run.give(debating.answer_to(request))
    run.advance(machine.Timing(200.0, 100.0))
    assert [event.code for event in run.of(AgentFailed)] == [DEADLINE]
    before = run.state.cost_usd
    assert late.ask.ask_id in run.state.reserved
    run.give(debating.answer_to(late, 0.004))
    assert isinstance(run.events[-1], LateAnswer)
    assert run.state.cost_usd == before + 0.004
    assert late.ask.ask_id not in run.state.reserved
    assert late.ask.agent not in run.state.answers
    assert machine.settle(run.state, debating.answer_to(late, 0.004)) == ()


def test_what_never_came_is_told_as_what_may_still_be_billed() -> None:
    run = start(10.0)
    for request in run.pending()[:3]:
        run.give(debating.answer_to(request))
    run.advance(machine.Timing(200.0, 100.0))
    run.play()
    assert run.state.decision is not None
    assert run.state.decision.unsettled_usd > 0.0
    assert f"the budget holds {run.state.decision.unsettled_usd:.6f} USD for it." in run.state.decision.explanation


def test_the_part_that_nobody_counted_is_told() -> None:
    def estimated(request: AgentRequest) -> Reply:
        return replace(debating.answer_to(request), usage=Usage("x", "m", 10, 10, 0.002, 0.1, estimated=True))

    decision = start(10.0).play(estimated).state.decision
    assert decision is not None
    assert decision.estimated_usd == decision.cost_usd > 0.0


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_debate_overruns_its_budget_by_more_than_one_ask(data: st.DataObject) -> None:
    protocol = preset(data.draw(st.sampled_from(list(PRESETS))))
    budget = data.draw(st.floats(0.0001, 2.0))
    run = start(budget, protocol)
    dearest = 0.0
    for _ in range(400):
        pending = run.pending()
        if not pending:
            break
        request = data.draw(st.sampled_from(pending))
        assert request.reserved_usd is not None
        cost = request.reserved_usd * data.draw(st.floats(0.0, 1.0))
        dearest = max(dearest, cost)
        run.give(debating.answer_to(request, cost))
        run.advance()
    assert run.state.decision is not None or isinstance(run.events[-1], DebateEnded)
    assert run.state.cost_usd <= budget + dearest + 1e-9


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whoever_is_late_or_lost_a_debate_may_be_billed_for_one_ask_more_than_its_budget(data: st.DataObject) -> None:
    budget = data.draw(st.floats(0.01, 0.5))
    run = start(budget, preset(data.draw(st.sampled_from(list(PRESETS)))))
    dearest = 0.0
    for _ in range(400):
        pending = run.pending()
        if not pending:
            break
        dearest = max(dearest, *(request.reserved_usd or 0.0 for request in pending))
        request = data.draw(st.sampled_from(pending))
        match data.draw(st.sampled_from(["answer", "fail", "lose", "close"])):
            case "answer":
                assert request.reserved_usd is not None
                run.give(debating.answer_to(request, request.reserved_usd * data.draw(st.floats(0.0, 1.0))))
            case "fail":
                run.give(debating.failure_of(request))
            case "lose":
                run.give(debating.failure_of(request, AGENT_LOST))
            case "close":
                run.advance(machine.Timing(200.0))
        run.advance()
        dearest = max(dearest, *run.state.reserved.values(), 0.0)  # what was asked just now may be the dearest
        assert run.state.cost_usd + sum(run.state.reserved.values()) <= budget + dearest + 1e-9
    assert run.state.decision is not None or isinstance(run.events[-1], DebateEnded)
    assert machine.replay(run.events) == run.state


@settings(max_examples=60, deadline=None)
@given(st.floats(0.001, 0.5), st.floats(0.0, 0.1))
def test_a_debate_under_a_budget_is_replayed_to_the_same_reserves(budget: float, cost: float) -> None:
    run = start(budget, preset("structured")).play(costing(cost))
    assert machine.replay(run.events) == run.state


def test_nothing_is_asked_twice_where_asks_wait() -> None:
    run = start(0.05, preset("structured")).play(costing(0.0001))
    ids = [request.ask.ask_id for request in run.requests]
    assert len(ids) == len(set(ids))
    assert AskKind.VOTE in run.kinds()


PAID = ("claude", "gpt")


def mixed(budget_usd: float) -> debating.Run:
    spec = debating.spec_of(protocol=preset("ensemble"), budget_usd=budget_usd, prices=dict.fromkeys(PAID, PRICE))
    return debating.start(spec)


def costing_where_paid(usd: float) -> Any:
    def answer(request: AgentRequest) -> Reply:
        return debating.answer_to(request, usd if request.ask.agent in PAID else 0.0)

    return answer


def test_agents_that_cost_nothing_are_asked_at_once_though_others_wait_for_the_budget() -> None:
    assert {request.ask.agent for request in mixed(0.02).pending()} >= {"gemini", "grok"}


def test_agents_that_cost_nothing_go_on_when_the_budget_is_spent() -> None:
    run = mixed(0.05).play(costing_where_paid(0.06))
    assert not {event.agent for event in run.of(AgentFailed)} & {"gemini", "grok"}
    assert {request.ask.agent for request in run.requests if request.ask.kind is AskKind.VOTE} >= {"gemini", "grok"}


def test_a_debate_whose_budget_is_spent_with_one_answer_left_says_so() -> None:
    decision = start(0.05).play(costing(0.06)).state.decision
    assert decision is not None
    assert decision.stopped_by == "budget"


def test_an_ask_that_waited_for_the_budget_until_its_phase_closed_was_not_asked_and_holds_nothing() -> None:
    run = start(1.5 * bound_usd(start(10.0).state, machine.asks(start(10.0).state)[0]))
    sent = run.pending()
    assert len(sent) == 1
    run.advance(machine.Timing(200.0))
    failed = {event.ask_id: event for event in run.of(AgentFailed)}
    unasked = [event for event in failed.values() if event.ask_id != sent[0].ask.ask_id]
    assert failed[sent[0].ask.ask_id].code == DEADLINE
    assert {event.code for event in unasked} == {BUDGET}
    assert all("it was not asked" in event.message for event in unasked)
    assert set(run.state.reserved) == {sent[0].ask.ask_id}
    assert run.state.uncounted == 1


def test_answers_that_never_came_let_one_ask_pass_the_budget_and_not_one_in_each_phase() -> None:
    run = start(0.1, preset("structured"))
    dearest = max(request.reserved_usd or 0.0 for request in run.pending())
    while pending := run.pending():
        dearest = max(dearest, *(request.reserved_usd or 0.0 for request in pending))
        if not run.state.answers:
            run.give(debating.answer_to(pending[0], 0.0))
        run.advance(machine.Timing(200.0, 100.0))
    may_be_billed = run.state.cost_usd + sum(run.state.reserved.values())
    assert may_be_billed <= 0.1 + dearest + 1e-9
    assert run.state.decision is not None


def test_a_debate_that_is_cancelled_has_cut_off_those_that_are_late_as_well() -> None:
    run = start(10.0)
    for request in run.pending()[:3]:
        run.give(debating.answer_to(request))
    run.advance(machine.Timing(200.0, 100.0))
    open_asks = len(run.pending())
    assert len(run.state.late) == 1
    run.take(machine.cancel(run.state, "ann"))
    assert run.state.cut_off == open_asks + 1


def test_a_late_agent_that_costs_nothing_is_not_cut_off() -> None:
    run = mixed(1.0)
    for request in run.pending():
        if request.ask.agent != "grok":
            run.give(debating.answer_to(request))
    run.advance(machine.Timing(200.0, 100.0))
    open_asks = len(run.pending())
    run.take(machine.cancel(run.state, "ann"))
    assert run.state.cut_off == open_asks


def test_an_agent_that_fails_late_and_paid_nothing_gives_its_reserve_back() -> None:
    run = start(10.0)
    late = run.pending()[3]
    for request in run.pending()[:3]:
        run.give(debating.answer_to(request))
    run.advance(machine.Timing(200.0, 100.0))
    before = run.state.cost_usd
    run.give(debating.failure_of(late, "unreachable"))
    assert late.ask.ask_id not in run.state.reserved
    assert run.state.cost_usd == before
    assert run.state.uncounted == 0


def test_an_agent_that_was_lost_with_an_ask_may_be_billed_for_it() -> None:
    run = start(10.0)
    lost = run.pending()[0]
    run.give(debating.failure_of(lost, AGENT_LOST))
    assert run.state.cost_usd == run.state.estimated_usd == lost.reserved_usd
    assert machine.replay(run.events) == run.state


def test_an_agent_that_is_lost_after_its_phase_may_be_billed_too() -> None:
    run = start(10.0)
    late = run.pending()[3]
    for request in run.pending()[:3]:
        run.give(debating.answer_to(request, 0.0))
    run.advance(machine.Timing(200.0, 100.0))
    run.give(debating.failure_of(late, AGENT_LOST))
    assert run.state.cost_usd == run.state.estimated_usd == late.reserved_usd
    assert late.ask.ask_id not in run.state.reserved


def test_an_agent_that_costs_nothing_is_lost_for_nothing() -> None:
    run = mixed(1.0)
    free = next(request for request in run.pending() if request.ask.agent not in PAID)
    run.give(debating.failure_of(free, AGENT_LOST))
    assert run.state.cost_usd == 0.0
    assert run.of(AgentFailed)[0].usage is None
