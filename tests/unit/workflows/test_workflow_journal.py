"""Rows of an execution's journal: every event comes back as it was, and what no database holds is refused."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.encoding import decode
from aragora.workflows import journal
from aragora.workflows.model import (
    WIRE_NAMES,
    ApprovalAnswered,
    CancelRequested,
    Event,
    ExecutionEnded,
    ExecutionStatus,
    Mode,
    SignalReceived,
    StepCompleted,
    StepStarted,
    Verdict,
)

# Any text: those included that no journal holds.
TEXTS = st.text(st.characters(codec=None, categories=None), max_size=20) | st.just("\\u0000")
NUMBERS = st.floats(allow_nan=True, allow_infinity=True) | st.integers(min_value=-(2**70), max_value=2**70)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(TEXTS, VALUES, max_size=3)
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(StepStarted, TEXTS, TEXTS, TEXTS, st.integers(), TEXTS, OBJECTS, st.none() | st.integers()),
    st.builds(StepCompleted, TEXTS, TEXTS, OBJECTS),
    st.builds(SignalReceived, TEXTS, OBJECTS, TEXTS, TEXTS),
    st.builds(ApprovalAnswered, TEXTS, TEXTS, st.sampled_from(Verdict), TEXTS, checklist=st.tuples(TEXTS, TEXTS)),
    st.builds(ExecutionEnded, st.sampled_from(ExecutionStatus), OBJECTS, TEXTS, TEXTS),
)


@given(EVENTS)
def test_what_may_be_written_comes_back_as_it_was(event: Event) -> None:
    try:
        journal.check(event)
    except journal.NotStorable:
        return
    payload = journal.row_of("exe_1", 1, 1.5, event).payload
    assert journal.event_of(payload) == event
    assert "\0" not in payload
    payload.encode()


def test_every_event_has_a_name_of_its_own() -> None:
    assert set(get_args(Event)) == set(WIRE_NAMES)
    assert len(set(WIRE_NAMES.values())) == len(WIRE_NAMES)


def test_rows_are_numbered_and_an_envelope_names_execution_and_run() -> None:
    events = (CancelRequested("ann"), StepCompleted("sign", "sign:1", {"status": "approved"}))
    rows = journal.rows_of("exe_1", 4, 1.5, events)
    assert [(row.execution_id, row.seq, row.type) for row in rows] == [
        ("exe_1", 4, "cancel_requested"),
        ("exe_1", 5, "step_completed"),
    ]
    envelopes = [decode(row.payload) for row in rows]
    assert [(one["execution_id"], one["seq"], one.get("run")) for one in envelopes] == [
        ("exe_1", 4, None),
        ("exe_1", 5, "sign"),
    ]
    assert journal.events_of([row.payload for row in rows], 4) == list(events)


def test_enums_come_back_as_enums() -> None:
    answered = ApprovalAnswered("apr_1", "ann", Verdict.REJECT, "user:ann", mode=Mode.API_KEY)
    found = journal.event_of(journal.row_of("exe_1", 1, 1.5, answered).payload)
    assert isinstance(found, ApprovalAnswered)
    assert (found.verdict, found.mode) == (Verdict.REJECT, Mode.API_KEY)


@pytest.mark.parametrize("text", ["a\0b", "\ud83d"])
def test_half_a_character_and_nul_are_refused_however_deep_they_are(text: str) -> None:
    for value in ({"a": [{"b": text}]}, {text: 1}):
        with pytest.raises(journal.NotStorable):
            journal.check(StepCompleted("ask", "ask:1", value))
