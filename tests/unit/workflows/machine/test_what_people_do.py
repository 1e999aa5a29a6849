"""What people do to an execution: pause, resume, cancel, signal, retry."""

from __future__ import annotations

from typing import Any

import pytest
from worlds.workflowing import Execution, approval, ask, chain, debate, definition

from aragora.errors import Conflict, InvalidInput, NotFound, TooLarge
from aragora.workflows import machine
from aragora.workflows.machine.people import SIGNALS_MAX, SIGNALS_MAX_BYTES
from aragora.workflows.model import ExecutionRetried, ExecutionStatus

RETRY = {"attempts": 3, "pause_s": 10}
PLACES = {
    "asked": lambda: Execution(definition(*chain(debate("a"), debate("b")))),
    "backing off": lambda: failed_once(Execution(definition(*chain(debate("a", retry=RETRY), debate("b"))))),
    "people": lambda: Execution(definition(*chain(approval("a"), debate("b")))),
    "sleeping": lambda: Execution(definition(*chain({"type": "wait", "id": "a", "for_s": 60}, debate("b")))),
    "event": lambda: Execution(definition(*chain({"type": "wait", "id": "a", "event": "go"}, debate("b")))),
    "in blocks": lambda: Execution(
        definition(
            {"type": "parallel", "id": "p", "blocks": ["a", "c"], "next": "b"}, debate("a"), approval("c"), debate("b")
        )
    ),
}


def failed_once(execution: Execution) -> Execution:
    execution.failed("a", again=True)
    return execution


def pause(execution: Execution) -> None:
    execution.happen(machine.pause(execution.state, "ann"))


@pytest.mark.parametrize("place", PLACES)
def test_while_paused_at_most_what_is_in_flight_ends(place: str) -> None:
    """W24."""
    execution = PLACES[place]()
    pause(execution)
    assert execution.status is ExecutionStatus.PAUSED
    assert machine.pause(execution.state, "ann") is None
    if place == "asked":
        execution.done("a")
    execution.wait(3_600)
    assert "StepStarted" not in execution.kinds()[execution.kinds().index("ExecutionPaused") :]
    execution.happen(machine.resume(execution.state, "ann"))
    assert machine.resume(execution.state, "ann") is None
    assert execution.status is not ExecutionStatus.PAUSED
    if place in ("asked", "sleeping"):
        assert execution.open == ["b"]


@pytest.mark.parametrize("paused", [False, True])
@pytest.mark.parametrize("place", PLACES)
def test_cancelling_ends_it_wherever_it_is(place: str, paused: bool) -> None:
    """W9, W10, W28: also while it waits, is paused, or pauses before another try."""
    execution = PLACES[place]()
    if paused:
        pause(execution)
    execution.happen(machine.cancel(execution.state, "ann", "no longer wanted"))
    assert execution.state.ended is not None
    assert execution.status is ExecutionStatus.CANCELLED
    assert "no longer wanted" in execution.state.ended.reason
    assert (execution.open, execution.pending(), machine.next_moment(execution.state)) == ([], [], None)
    assert machine.cancel(execution.state, "ann", "") is None
    assert execution.wait(86_400) == []


def test_an_execution_that_has_ended_is_neither_paused_nor_resumed_nor_cancelled() -> None:
    execution = Execution(definition(debate("a")))
    execution.done("a")
    for act in (
        lambda: machine.pause(execution.state, "ann"),
        lambda: machine.resume(execution.state, "ann"),
        lambda: machine.cancel(execution.state, "ann", ""),
    ):
        with pytest.raises(Conflict, match="completed"):
            act()


def test_an_event_of_a_name_that_nothing_waits_for_is_not_found_and_a_large_one_refused() -> None:
    execution = Execution(definition({"type": "wait", "id": "w", "event": "go"}))
    with pytest.raises(NotFound, match="there are: go"):
        machine.signal(execution.state, "stop", {}, "s1", "ann")
    with pytest.raises(TooLarge):
        machine.signal(execution.state, "go", {"x": "y" * 300_000}, "s1", "ann")
    with pytest.raises(InvalidInput):
        machine.signal(execution.state, "go", {"x": "\ud800"}, "s1", "ann")


def test_so_many_events_that_somebody_sends_keep_no_execution_from_its_end() -> None:
    """W17."""
    execution = Execution(definition(*chain(debate("a"), {"type": "wait", "id": "w", "event": "go"})))
    for number in range(SIGNALS_MAX):
        execution.happen(machine.signal(execution.state, "go", {}, f"s{number}", "ann"))
    with pytest.raises(Conflict, match="the most it takes"):
        machine.signal(execution.state, "go", {}, "one more", "ann")
    execution.done("a")
    assert execution.status is ExecutionStatus.COMPLETED


def test_events_that_somebody_sends_are_bounded_by_their_bytes_too() -> None:
    execution = Execution(definition(*chain(debate("a"), {"type": "wait", "id": "w", "event": "go"})))
    payload = {"x": "y" * 260_000}
    for number in range(SIGNALS_MAX_BYTES // 260_010):
        execution.happen(machine.signal(execution.state, "go", payload, f"s{number}", "ann"))
    with pytest.raises(Conflict, match="16777216 are the most") as refused:
        machine.signal(execution.state, "go", payload, "one more", "ann")
    assert refused.value.code == "too_many_signals"
    assert execution.happen(machine.signal(execution.state, "go", {}, "a small one", "ann"))
    execution.done("a")
    assert execution.status is ExecutionStatus.COMPLETED


def retry(execution: Execution, run: str, what: dict[str, Any] | None = None) -> None:
    execution.happen(machine.retry(execution.state, "ann", run, what or {}, execution.now))


def test_a_failed_step_is_tried_again_with_other_values_and_what_depends_on_it_runs() -> None:
    """W30: a new attempt, the old one kept in the journal."""
    execution = Execution(
        definition(
            *chain(debate("a"), debate("b"), debate("c")), outputs={"a": "steps.a.answer", "b": "steps.b.answer"}
        )
    )
    execution.done("a", answer="A")
    first = execution.asked("b").ask_id
    execution.failed("b")
    retry(execution, "b", {"question": "And now: {{ steps.a.answer }}?"})
    assert execution.status is ExecutionStatus.RUNNING
    assert execution.asked("b").what["question"] == "And now: A?"
    assert execution.asked("b").ask_id != first
    execution.done("b", answer="B")
    execution.done("c")
    assert execution.state.ended is not None
    assert execution.state.ended.outputs == {"a": "A", "b": "B"}
    assert execution.replayed() == execution.state


def test_from_an_earlier_step_everything_after_it_runs_anew() -> None:
    execution = Execution(definition(*chain(debate("a"), debate("b"), debate("c"))))
    execution.done("a", answer="old")
    execution.done("b")
    execution.failed("c")
    retry(execution, "a")
    assert "b" not in execution.state.blocks[""].outputs
    execution.done("a", answer="new")
    execution.done("b")
    execution.done("c")
    assert execution.status is ExecutionStatus.COMPLETED
    assert execution.state.blocks[""].outputs["a"] == {"answer": "new"}


def test_a_retry_says_what_is_wrong_with_it() -> None:
    execution = Execution(definition(*chain(debate("a"), debate("b"))))
    with pytest.raises(Conflict, match="Only an execution that failed"):
        retry(execution, "a")
    execution.failed("a")
    with pytest.raises(NotFound):
        retry(execution, "b")
    with pytest.raises(InvalidInput, match="has no value 'next'"):
        retry(execution, "a", {"next": None})
    with pytest.raises(InvalidInput, match="rounds"):
        retry(execution, "a", {"rounds": -1})


def test_what_was_undone_is_not_retried() -> None:
    undo = {"type": "task", "id": "undo", "task": "undo"}
    execution = Execution(definition(debate("a", compensate="undo", next="b"), debate("b"), undo))
    execution.done("a")
    execution.failed("b")
    execution.done("undo")
    with pytest.raises(Conflict, match="start the workflow again"):
        retry(execution, "b")


def test_an_execution_that_is_ending_is_not_paused() -> None:
    undo = {"type": "task", "id": "undo", "task": "undo"}
    execution = Execution(definition(debate("a", compensate="undo", next="b"), debate("b"), undo))
    execution.done("a")
    execution.failed("b")
    with pytest.raises(Conflict, match="ending"):
        machine.pause(execution.state, "ann")


def test_a_retry_that_is_asked_for_again_by_its_key_retries_nothing_whatever_became_of_the_first() -> None:
    execution = Execution(definition(ask("a")))
    execution.failed("a")

    def asked(request_id: str) -> ExecutionRetried | None:
        return machine.retry(execution.state, "ann", "a", {}, execution.now, request_id=request_id)

    execution.happen(asked("retry_1.x"))
    assert asked("retry_1.x") is None, "while it runs"
    execution.failed("a")
    assert asked("retry_1.x") is None, "and when it has failed again"
    with pytest.raises(Conflict, match="another request"):
        asked("retry_1.y")
    assert asked("retry_2.x") is not None
    assert execution.replayed().retried == {"retry_1": "retry_1.x"}


def test_an_event_that_is_sent_again_by_its_key_counts_once_and_another_one_is_refused() -> None:
    execution = Execution(definition({"type": "wait", "id": "w", "event": "go"}, timeout_s=60))
    first = machine.signal(execution.state, "go", {"n": 1}, "signal_1.x", "ann")
    assert first is not None
    execution.happen(first)
    assert machine.signal(execution.state, "go", {"n": 1}, "signal_1.x", "ann") is None
    with pytest.raises(Conflict, match="another request"):
        machine.signal(execution.state, "go", {"n": 2}, "signal_1.y", "ann")
    assert execution.status is ExecutionStatus.COMPLETED
