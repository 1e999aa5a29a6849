"""Rows of the journal: which one is the last, what may be written, and what becomes of rows that cannot be read."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.debate import journal
from aragora.debate.model import AgentFailed, DebateEnded, DebateStatus, Event, RoundStarted, Usage


def test_the_last_row_is_known_by_its_type_and_by_its_envelope() -> None:
    last = journal.row_of("deb_1", 7, 1.5, DebateEnded(DebateStatus.COMPLETED, "decided"))
    assert journal.is_last(last)
    assert journal.is_end(last.payload)
    assert last.type == journal.END


def test_an_envelope_that_only_names_the_end_is_not_the_last() -> None:
    row = journal.row_of("deb_1", 7, 1.5, RoundStarted(1, ('{"type":"debate_end"',)))
    assert not journal.is_last(row)
    assert not journal.is_end(row.payload)


def events() -> st.SearchStrategy[Event]:
    """Events with any texts and numbers, those included that no journal holds."""
    texts = st.text(st.characters(codec=None, categories=None), max_size=20) | st.just("\\u0000")
    numbers = st.floats(allow_nan=True, allow_infinity=True)
    integers = st.integers(min_value=-(2**70), max_value=2**70)
    usages = st.builds(Usage, texts, texts, integers, integers, numbers, numbers)
    return st.builds(AgentFailed, st.integers(0, 20), texts, texts, texts, texts, st.none() | usages)


@given(events())
def test_what_may_be_written_comes_back_as_it_was(event: Event) -> None:
    try:
        journal.check(event)
    except journal.NotStorable:
        return
    payload = journal.row_of("deb_1", 1, 1.5, event).payload
    assert journal.event_of(payload) == event
    assert "\0" not in payload
    payload.encode()


@pytest.mark.parametrize(
    ("text", "storable"),
    [("a\0b", False), ("\ud83d", False), (r"\u0000", True), ("\\" + "\0", False), ("\U0001f600", True)],
)
def test_half_a_character_and_nul_are_refused_and_what_looks_like_them_is_not(text: str, *, storable: bool) -> None:
    event = AgentFailed(1, "ann", "ask", "code", text)
    if storable:
        journal.check(event)
    else:
        with pytest.raises(journal.NotStorable):
            journal.check(event)


ROWS = [
    row.payload for row in journal.rows_of("deb_1", 1, 1.5, [RoundStarted(number, ("ann",)) for number in (1, 2, 3)])
]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([], "row 1 of its journal cannot be read: it is missing"),
        ([ROWS[0], ROWS[2]], "row 2 of its journal cannot be read: row 3 stands in its place"),
        ([ROWS[0], ROWS[1][:-20]], "row 2 of its journal cannot be read: it is no JSON: the row is damaged"),
        ([ROWS[0].replace("round_start", "dream")], "row 1 .*: its type is unknown to this version of Aragora"),
        ([ROWS[0].replace('"round":1', '"round":null')], "row 1 .*: a field is missing or of another type"),
    ],
)
def test_of_a_damaged_journal_it_says_which_row_and_why(rows: list[str], told: str) -> None:
    with pytest.raises(journal.Unreadable, match=told):
        journal.events_of(rows)
    assert len(journal.readable(rows)) == sum(row in ROWS for row in rows)


@given(st.binary(max_size=60), st.integers(0, 200), st.integers(0, 200))
def test_reading_a_damaged_row_raises_nothing_else(noise: bytes, start: int, end: int) -> None:
    raw = ROWS[1].encode()
    damaged = (raw[:start] + noise + raw[end:]).decode("utf-8", "surrogateescape")
    with suppress(journal.Unreadable):
        journal.events_of([ROWS[0], damaged])
    journal.readable([damaged])
    if not journal.is_readable(damaged, 2):
        assert journal.is_readable(journal.stand_in("deb_1", 2, "round_start", 1.5), 2)


def test_null_for_a_cost_or_a_time_reads_as_zero() -> None:
    event = AgentFailed(1, "ann", "ask", "code", "no", Usage("p", "m", cost_usd=0.5, latency_s=0.5))
    payload = journal.row_of("deb_1", 1, 1.5, event).payload
    old = payload.replace('"cost_usd":0.5', '"cost_usd":null').replace('"latency_s":0.5', '"latency_s":null')
    assert journal.event_of(old) == AgentFailed(1, "ann", "ask", "code", "no", Usage("p", "m"))


def test_the_end_that_is_damaged_stays_the_end_for_those_who_follow() -> None:
    assert journal.is_end(journal.stand_in("deb_1", 9, journal.END, 1.5))
    assert not journal.is_end(journal.stand_in("deb_1", 9, "vote", 1.5))
