"""What follows without an answer. Quorum, grace and deadline: one slow agent delays and spoils nothing."""

from dataclasses import replace

import pytest
from worlds import debating

from aragora.debate import machine
from aragora.debate.machine import Timing
from aragora.debate.model import AgentFailed, AskKind, DebateEnded, DebateSpec, DebateStatus, RoundStarted


def answer_some(count: int, spec: DebateSpec | None = None):  # noqa: ANN201 (the run of conftest)
    run = debating.start(spec)
    for request in run.pending()[:count]:
        run.give(debating.answer_to(request))
    return run


def test_the_quorum_is_met_by_half_of_the_answers() -> None:
    assert not machine.quorum_met(answer_some(1).state)
    assert machine.quorum_met(answer_some(2).state)


def test_failures_do_not_count_for_the_quorum() -> None:
    run = debating.start()
    for request in run.pending()[:3]:
        run.give(debating.failure_of(request))
    assert not machine.quorum_met(run.state)


def test_before_the_quorum_a_phase_waits_until_its_deadline() -> None:
    run = answer_some(1)
    assert machine.advance(run.state, Timing(119.9)) == ()
    late = machine.advance(run.state, Timing(120.0))
    assert [event.agent for event in late] == ["gpt", "gemini", "grok"]
    assert {event.code for event in late} == {"deadline"}
    assert "within 120 s" in late[0].message


def test_after_the_quorum_stragglers_have_the_grace() -> None:
    run = answer_some(2)
    assert machine.advance(run.state, Timing(15.0, 9.9)) == ()
    late = machine.advance(run.state, Timing(15.1, 10.0))
    assert [event.agent for event in late] == ["gemini", "grok"]
    run.take(late)
    assert run.state.failures["grok"].code == "deadline"


def test_a_straggler_that_showed_life_within_the_last_grace_is_waited_for_until_the_deadline() -> None:
    run = answer_some(2)
    assert machine.advance(run.state, Timing(80.0, 75.0, since_life_s=9.9)) == ()
    assert machine.next_deadline_s(run.state, Timing(80.0, 75.0, since_life_s=4.0)) == pytest.approx(86.0)
    assert [event.agent for event in machine.advance(run.state, Timing(80.0, 75.0, since_life_s=10.0))] == [
        "gemini",
        "grok",
    ]
    assert len(machine.advance(run.state, Timing(120.0, 115.0, since_life_s=0.1))) == 2, "the deadline holds for all"


def test_however_short_the_grace_whoever_shows_life_may_do_so_again() -> None:
    plain = debating.spec_of()
    run = answer_some(2, replace(plain, protocol=replace(plain.protocol, grace_s=0.5)))
    assert machine.advance(run.state, Timing(20.2, 20.0, since_life_s=2.1)) == ()
    assert len(machine.advance(run.state, Timing(20.2, 20.0, since_life_s=3.1))) == 2


def test_a_sign_of_life_before_the_quorum_takes_nothing_from_the_grace() -> None:
    run = answer_some(2)
    assert machine.advance(run.state, Timing(15.0, 9.9, since_life_s=14.0)) == ()
    assert machine.next_deadline_s(run.state, Timing(7.0, 2.0, since_life_s=6.0)) == pytest.approx(15.0)


def test_the_next_deadline_is_told_in_seconds_after_the_opening() -> None:
    run = answer_some(2)
    assert machine.next_deadline_s(run.state, Timing(5.0)) == 120.0
    assert machine.next_deadline_s(run.state, Timing(7.0, 2.0)) == pytest.approx(15.0)
    assert machine.next_deadline_s(run.state, Timing(119.0, 1.0)) == 120.0


def test_a_settled_debate_has_no_deadline() -> None:
    run = debating.start().play()
    assert machine.next_deadline_s(run.state, Timing(0.0)) is None
    assert not machine.quorum_met(run.state)


def test_a_late_answer_does_not_change_a_closed_round() -> None:
    run = answer_some(3)
    late = debating.answer_to(run.pending()[0])
    run.advance(Timing(120.0))
    before = machine.replay(run.events)
    run.take(machine.settle(run.state, late))
    assert "grok" not in run.state.answers
    assert (run.state.phase, run.state.open) == (before.phase, before.open)
    assert run.state.cost_usd > before.cost_usd, "what it cost is not lost"


def test_who_missed_a_phase_is_asked_in_the_next() -> None:
    run = answer_some(3)
    run.advance(Timing(120.0))
    assert {request.ask.kind for request in run.pending()} == {AskKind.CRITIQUE}
    assert "grok" in {request.ask.agent for request in run.pending()}


def test_the_phase_key_changes_when_a_phase_opens_and_only_then() -> None:
    run = debating.start()
    opening_key = machine.phase_key(run.state)
    run.give(debating.answer_to(run.pending()[0]))
    assert machine.phase_key(run.state) == opening_key
    run.step()
    assert machine.phase_key(run.state) != opening_key


def test_a_debate_of_agents_that_never_answer_ends_by_its_deadline() -> None:
    run = debating.start()
    run.advance(Timing(120.0))
    assert len(run.of(AgentFailed)) == 4
    assert run.state.ended is not None
    assert "deadline" in run.state.ended.reason


def test_a_debate_that_is_not_opened_goes_nowhere() -> None:
    assert machine.advance(machine.DebateState(), Timing(1e9)) == ()


def test_an_opened_debate_goes_to_its_first_round_and_a_round_without_answers_ends_it_with_the_causes() -> None:
    run = debating.Run()
    run.take([machine.first_event(debating.spec_of())])
    assert [type(event) for event in machine.advance(run.state, Timing(0.0))] == [RoundStarted]
    run.advance()
    for request in run.pending():
        run.give(debating.failure_of(request, "quota_exhausted"))
    (end,) = machine.advance(run.state, Timing(0.0))
    assert isinstance(end, DebateEnded)
    assert end.status is DebateStatus.FAILED
    assert "claude: quota_exhausted (no luck)" in end.reason
