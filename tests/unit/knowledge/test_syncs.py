"""How far adapters have come, as it follows from what waits and from what each has applied."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aragora.knowledge.learning import ADAPTERS
from aragora.knowledge.syncs import (
    Learnt,
    Outcome,
    Record,
    Round,
    Standing,
    Waiting,
    applied_id,
    round_of,
    standings,
)
from aragora.storage.outbox import OutboxRow

NOW = 1_000.0


def row(number: int, created_at: float = 990.0) -> OutboxRow:
    return OutboxRow(f"deb_{number}:knowledge", "knowledge", f"deb_{number}", "{}", created_at)


def test_an_adapter_for_which_nothing_waits_has_no_lag_and_keeps_its_record() -> None:
    record = Record(990.0, Round(995.0, Outcome.DONE, 3, 5, 2))
    found = standings(("consensus", "evidence"), Waiting((), 0, ()), {"consensus": record}, NOW)
    assert found == [Standing("consensus", 0, 0.0, 990.0, record.last), Standing("evidence")]


def test_what_one_adapter_has_applied_still_waits_for_the_others() -> None:
    rows = (row(1, 900.0), row(2, 950.0))
    applied = {applied_id(rows[0].outbox_id, "consensus")}
    consensus, evidence = standings(("consensus", "evidence"), Waiting(rows, 2, applied), {}, NOW)
    assert (consensus.backlog, consensus.lag_s) == (1, 50.0)
    assert (evidence.backlog, evidence.lag_s) == (2, 100.0)


def test_rows_that_were_not_read_count_and_are_no_older_than_those_that_were() -> None:
    rows = (row(1, 900.0), row(2, 950.0))
    applied = {applied_id(one.outbox_id, "consensus") for one in rows}
    (found,) = standings(("consensus",), Waiting(rows, 7, applied), {}, NOW)
    assert (found.backlog, found.lag_s) == (5, 50.0)


def test_a_clock_that_is_behind_makes_no_negative_lag() -> None:
    (found,) = standings(("consensus",), Waiting((row(1, NOW + 60.0),), 1, ()), {}, NOW)
    assert found.lag_s == 0.0


def test_the_list_grows_with_the_adapters_that_there_are() -> None:
    assert [one.adapter for one in standings(ADAPTERS, Waiting((), 0, ()), {}, NOW)] == list(ADAPTERS)


@given(st.lists(st.floats(0.0, NOW), max_size=20), st.sets(st.integers(0, 19)), st.integers(0, 50))
def test_backlog_and_lag_are_those_of_what_is_left(ages: list[float], done: set[int], beyond: int) -> None:
    rows = tuple(row(number, NOW - age) for number, age in enumerate(ages))
    applied = {applied_id(one.outbox_id, "evidence") for number, one in enumerate(rows) if number in done}
    (found,) = standings(("evidence",), Waiting(rows, len(rows) + beyond, applied), {}, NOW)
    left = [age for number, age in enumerate(ages) if number not in done]
    assert found.backlog == len(left) + beyond
    if left:
        assert abs(found.lag_s - max(left)) < 1e-6
    elif not beyond:
        assert found.lag_s == 0.0


COUNTS = st.builds(
    Learnt,
    st.integers(0, 9),
    st.integers(0, 9),
    st.integers(0, 9),
    st.dictionaries(st.sampled_from(["nothing new", "learnt before"]), st.integers(1, 9)),
    st.integers(0, 9),
    st.integers(0, 9),
)


@given(COUNTS, COUNTS)
def test_what_was_learnt_adds_up_in_any_order(one: Learnt, other: Learnt) -> None:
    both = one.plus(other)
    assert both == other.plus(one)
    assert both.written == one.written + other.written
    assert both.gathered == one.gathered + other.gathered
    kept = round_of(both, NOW)
    assert (kept.debates, kept.written, kept.skipped) == (both.debates, both.written, both.skipped)
    assert kept.noted == both.noted == one.noted + other.noted
