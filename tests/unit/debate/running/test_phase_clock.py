"""When a phase began, when its quorum was met, and how long it still waits: no timer runs here."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from worlds import debating

from aragora.debate.machine import Timing
from aragora.debate.running.phase_clock import PhaseClock


@dataclass
class HandClock:
    """Shows what it is set to."""

    at: float = 1_000.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


@pytest.fixture
def hand() -> HandClock:
    return HandClock()


@pytest.fixture
def run() -> debating.Run:
    """Four agents are asked; a phase waits for 120 s, and for 10 s after two of them have answered."""
    return debating.start()


def test_the_first_look_and_every_new_phase_are_a_beginning(hand: HandClock, run: debating.Run) -> None:
    clock = PhaseClock(hand)
    assert clock.observe(run.state)
    assert not clock.observe(run.state)
    run.give(debating.answer_to(run.pending()[0]))
    assert not clock.observe(run.state)
    run.step()
    assert clock.observe(run.state)


def test_a_phase_is_timed_from_its_beginning_and_its_quorum_from_when_it_was_met(
    hand: HandClock, run: debating.Run
) -> None:
    clock = PhaseClock(hand)
    clock.observe(run.state)
    hand.at += 5.0
    assert clock.timing(run.state) == Timing(5.0)
    for request in run.pending()[:2]:
        run.give(debating.answer_to(request))
    clock.observe(run.state)
    hand.at += 3.0
    clock.observe(run.state)
    assert clock.timing(run.state) == Timing(8.0, 3.0)


def test_a_new_phase_begins_at_zero_and_without_a_quorum(hand: HandClock, run: debating.Run) -> None:
    clock = PhaseClock(hand)
    clock.observe(run.state)
    hand.at += 7.0
    run.step()
    clock.observe(run.state)
    assert clock.timing(run.state) == Timing(0.0)


def test_a_phase_waits_until_its_deadline_and_only_for_the_grace_once_its_quorum_has_answered(
    hand: HandClock, run: debating.Run
) -> None:
    clock = PhaseClock(hand)
    clock.observe(run.state)
    hand.at += 20.0
    assert clock.left_s(run.state) == pytest.approx(100.0)
    for request in run.pending()[:2]:
        run.give(debating.answer_to(request))
    clock.observe(run.state)
    hand.at += 4.0
    assert clock.left_s(run.state) == pytest.approx(26.0)  # half as long again as the quorum took


def test_a_deadline_that_has_passed_leaves_nothing_rather_than_less(hand: HandClock, run: debating.Run) -> None:
    clock = PhaseClock(hand)
    clock.observe(run.state)
    hand.at += 500.0
    assert clock.left_s(run.state) == 0.0


def test_a_debate_that_waits_for_no_agent_has_no_deadline(hand: HandClock, run: debating.Run) -> None:
    clock = PhaseClock(hand)
    run.play()
    clock.observe(run.state)
    assert clock.left_s(run.state) is None


def test_only_signs_of_agents_that_are_still_to_answer_count_and_those_of_an_earlier_phase_do_not(
    hand: HandClock, run: debating.Run
) -> None:
    clock = PhaseClock(hand)
    clock.observe(run.state)
    early, late = run.pending()[:2]
    clock.alive(early.ask.ask_id)
    hand.at += 2.0
    clock.alive(late.ask.ask_id)
    hand.at += 3.0
    assert clock.timing(run.state).since_life_s == 3.0
    run.give(debating.answer_to(late))
    assert clock.timing(run.state).since_life_s == 5.0
    run.give(debating.answer_to(early))
    assert clock.timing(run.state).since_life_s is None
    run.step()
    clock.observe(run.state)
    assert clock.timing(run.state) == Timing(0.0)


def test_a_sign_of_life_puts_off_when_the_phase_must_be_looked_at_again(hand: HandClock, run: debating.Run) -> None:
    clock = PhaseClock(hand)
    clock.observe(run.state)
    for request in run.pending()[:2]:
        run.give(debating.answer_to(request))
    clock.observe(run.state)
    hand.at += 9.0
    assert clock.left_s(run.state) == pytest.approx(1.0)
    clock.alive(run.pending()[0].ask.ask_id)
    assert clock.left_s(run.state) == pytest.approx(10.0)
