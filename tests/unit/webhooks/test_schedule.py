"""Delays between retries: the runbook's progression, lists, and jitter on top."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.webhooks.model import Rules
from aragora.webhooks.schedule import PATIENT, RUNBOOK, SCHEDULES, delay_s

draws = st.floats(0, 1, exclude_max=True)


def floors(rules: Rules, retries: int) -> list[float]:
    return [delay_s(rules, retry, 0.0) for retry in range(1, retries + 1)]


def test_the_runbooks_progression_doubles_up_to_its_cap() -> None:
    assert floors(RUNBOOK, 5) == [1, 2, 4, 8, 16]
    assert floors(Rules(max_retries=12), 12)[-4:] == [256, 300, 300, 300]


def test_the_patient_schedule_waits_longer_and_longer() -> None:
    assert PATIENT.max_retries == 9
    assert floors(PATIENT, 9) == [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]


def test_the_patient_schedule_ends_before_a_delivery_is_too_old() -> None:
    longest = sum(delay_s(PATIENT, retry, 1.0) for retry in range(1, PATIENT.max_retries + 1))
    assert longest + (PATIENT.max_retries + 1) * PATIENT.timeout_s < PATIENT.give_up_s


def test_retries_beyond_a_list_wait_as_long_as_its_last() -> None:
    assert floors(Rules(max_retries=4, delays_s=(5.0, 10.0)), 4) == [5, 10, 10, 10]


def test_both_schedules_have_a_name() -> None:
    assert list(SCHEDULES) == ["runbook", "patient"]
    assert SCHEDULES["runbook"] == Rules()
    assert SCHEDULES["patient"] is PATIENT


@given(st.integers(1, 10_000), draws, st.sampled_from([RUNBOOK, PATIENT, Rules(base_s=0.001, max_s=1e9)]))
def test_jitter_adds_less_than_a_half_and_takes_nothing_away(retry: int, draw: float, rules: Rules) -> None:
    floor = delay_s(rules, retry, 0.0)
    assert floor <= delay_s(rules, retry, draw) <= floor * 1.5


@given(st.integers(1, 100), draws)
def test_no_retry_waits_longer_than_half_as_much_again_as_the_cap(retry: int, draw: float) -> None:
    assert delay_s(RUNBOOK, retry, draw) <= RUNBOOK.max_s * 1.5


@pytest.mark.parametrize("draw", [0.25, 0.5, 0.999])
def test_the_draw_spreads_the_jitter(draw: float) -> None:
    assert delay_s(RUNBOOK, 3, draw) == pytest.approx(4 + 2 * draw)
