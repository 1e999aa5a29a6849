"""What each event does to the state: once, in its phase, and never after the end."""

from __future__ import annotations

import copy
from dataclasses import replace

from worlds import debating

from aragora.debate import machine
from aragora.debate.machine.state import Phase
from aragora.debate.model import (
    AgentFailed,
    AgentPrice,
    AgentRequest,
    AnswerGiven,
    AskKind,
    ConsensusReached,
    ConvergenceMeasured,
    DebateEnded,
    DebateStatus,
    Fallback,
    FallbackUsed,
    PersonSuggested,
    Position,
    Proposal,
    ReceiptIssued,
    Reply,
    RoundStarted,
)
from aragora.debate.protocol import preset

PRICES = dict.fromkeys(debating.AGENTS, AgentPrice(3.0, 15.0, 1_000))


def unchanged_by(run: debating.Run, *events: object) -> bool:
    before = copy.deepcopy(run.state)
    run.take(events)  # type: ignore[arg-type]
    return run.state == before


def test_an_opened_debate_has_its_participants_and_waits_for_its_first_round() -> None:
    state = machine.replay([machine.first_event(debating.spec_of())])
    assert state.participants == debating.AGENTS
    assert (state.phase, state.round) == (Phase.ROUND, 0)


def test_an_answer_counts_once_and_pays_once() -> None:
    run = debating.start()
    answer = machine.settle(run.state, debating.answer_to(run.pending()[0]))
    run.take(answer)
    assert (run.state.answered, run.state.cost_usd) == (1, 0.001)
    assert unchanged_by(run, *answer)


def test_positions_that_an_earlier_version_read_from_the_texts_stand_though_this_one_would_ask() -> None:
    said = {agent: f"Yes, {number} of them." for number, agent in enumerate(debating.AGENTS)}

    def answer(request: AgentRequest) -> Reply:
        reply = debating.answer_to(request)
        return replace(reply, content=Proposal(said[request.ask.agent], 0.5, ("a study",)))

    spec = debating.spec_of(protocol=preset("structured"), question="How many?", budget_usd=1.0, prices=PRICES)
    run = debating.start(spec).until(AskKind.GROUP, answer)
    assert run.state.reserved
    position = Position("Yes, 0 of them", "claude", debating.AGENTS)
    run.take([ConvergenceMeasured(1, 0.5, True, 1.0, (position,), "texts")])
    assert (run.state.phase, run.state.open, run.state.reserved) == (Phase.DECIDE, {}, {})
    run.advance()
    assert run.state.decision is not None
    assert run.state.decision.stopped_by == "agreement"


def test_a_failure_is_settled_without_counting_as_an_answer() -> None:
    run = debating.start()
    run.give(debating.failure_of(run.pending()[0]))
    assert run.state.answered == 0
    assert len(run.state.open) == 3
    assert run.state.failures["claude"].code == "timeout"


def test_a_failure_that_cost_something_is_paid() -> None:
    run = debating.start()
    ask = run.pending()[0].ask
    run.take([AgentFailed(1, ask.agent, ask.ask_id, "malformed_answer", "no", debating.USAGE)])
    assert run.state.cost_usd == debating.USAGE.cost_usd


def test_an_event_of_an_ask_that_is_not_open_changes_nothing() -> None:
    run = debating.start()
    unknown = "deb_1/9/propose/claude"
    stray = AnswerGiven(9, "claude", unknown, AskKind.PROPOSE, "late", 0.5, (), debating.USAGE)
    assert unchanged_by(run, stray, AgentFailed(9, "claude", unknown, "timeout", "late", debating.USAGE))


def test_the_last_settled_ask_closes_the_phase() -> None:
    run = debating.start()
    for request in run.pending():
        assert run.state.phase is Phase.ANSWER
        run.give(debating.answer_to(request))
    assert run.state.phase is Phase.MEASURE


def test_events_outside_their_phase_change_nothing() -> None:
    run = debating.start()
    decided = debating.start().play().of(ConsensusReached)[0]
    assert unchanged_by(run, RoundStarted(2, debating.AGENTS), ConvergenceMeasured(1, 1.0, converged=True), decided)


def test_a_fallback_is_told_for_people_and_metrics_only() -> None:
    run = debating.start()
    told = FallbackUsed(1, "claude", run.pending()[0].ask.ask_id, Fallback("a", "b", "m", "overloaded"), succeeded=True)
    assert unchanged_by(run, told)


def test_a_suggestion_without_an_id_is_kept_beside_the_others() -> None:
    run = debating.start()
    run.take([PersonSuggested(1, "ann", "price"), PersonSuggested(1, "ann", "time")])
    assert list(run.state.suggestions.values()) == ["price", "time"]


def test_after_the_end_nothing_changes_any_more() -> None:
    run = debating.start()
    late = machine.settle(run.state, debating.answer_to(run.pending()[0]))
    run.take([DebateEnded(DebateStatus.CANCELLED, "enough", 1, 0.0)])
    assert (run.state.phase, run.state.open) == (Phase.ENDED, {})
    receipt = ReceiptIssued("rcp_1", 1, "h", "p", "s", "k")
    assert unchanged_by(run, *late, receipt, replace(run.state.ended, status=DebateStatus.FAILED))


def test_a_state_is_rebuilt_from_its_events() -> None:
    run = debating.start().play()
    assert machine.replay(run.events) == run.state
