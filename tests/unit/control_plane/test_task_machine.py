"""The rules of a task: who holds it, what a token is worth, when it ends, and laws over any run of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.control_plane import machine
from aragora.control_plane.model import Holding, How, NewTask, Task, TaskState, checked_capabilities
from aragora.encoding import encode
from aragora.errors import AragoraError, Conflict, InvalidInput

T0 = 1_000.0


def waiting(**changed: Any) -> Task:
    return replace(machine.submit(NewTask("review", attempts_max=2), "tsk_1", T0), **changed)


def held(by: str = "ann", now: float = T0) -> Task:
    return machine.claim(waiting(), by, (), 60.0, now).task


def code_of(refused: pytest.ExceptionInfo[Conflict]) -> str:
    return refused.value.code


def test_a_claim_brings_a_token_and_a_lease() -> None:
    task = held()
    assert (task.state, task.fence, task.attempts, task.lease_until) == (TaskState.CLAIMED, 1, 1, T0 + 60)


def test_a_task_that_is_held_is_not_given_to_another_one() -> None:
    with pytest.raises(Conflict) as refused:
        machine.claim(held(), "bob", (), 60.0, T0 + 59)
    assert code_of(refused) == "claimed"


def test_a_task_whose_lease_ran_out_is_given_to_the_next_one_and_the_attempt_is_told() -> None:
    step = machine.claim(held(), "bob", (), 60.0, T0 + 60)
    assert (step.task.agent_id, step.task.fence) == ("bob", 2)
    assert step.attempt is not None
    assert (step.attempt.agent_id, step.attempt.how, step.attempt.fence) == ("ann", How.LAPSED, 1)


def test_an_older_token_completes_nothing_also_of_the_same_agent() -> None:
    anew = machine.claim(held(), "ann", (), 60.0, T0 + 60).task
    with pytest.raises(Conflict) as refused:
        machine.complete(anew, Holding("ann", 1), '"late"', T0 + 61)
    assert code_of(refused) == "stale_token"
    assert machine.complete(anew, Holding("ann", 2), '"good"', T0 + 61).task.state is TaskState.COMPLETED


def test_without_a_token_the_agent_of_the_newest_claim_completes() -> None:
    assert machine.complete(held(), Holding("ann"), "1", T0 + 1).task.state is TaskState.COMPLETED
    with pytest.raises(Conflict) as refused:
        machine.complete(held(), Holding("bob"), "1", T0 + 1)
    assert code_of(refused) == "other_agent"


def test_the_same_result_again_gets_the_same_answer_and_another_one_is_a_conflict() -> None:
    done = machine.complete(held(), Holding("ann", 1), '"a"', T0 + 5)
    again = machine.complete(done.task, Holding("ann", 1), '"a"', T0 + 9)
    assert again.task == done.task
    assert again.known
    assert again.attempt is None
    with pytest.raises(Conflict) as refused:
        machine.complete(done.task, Holding("ann", 1), '"b"', T0 + 9)
    assert code_of(refused) == "other_result"


def test_the_latency_is_what_the_agent_says_or_the_time_since_its_claim() -> None:
    measured = machine.complete(held(), Holding("ann"), "1", T0 + 5).attempt
    said = machine.complete(held(), Holding("ann"), "1", T0 + 5, latency_ms=12.0).attempt
    assert measured is not None
    assert said is not None
    assert (measured.latency_ms, said.latency_ms) == (5_000.0, 12.0)


def test_a_failure_waits_before_the_next_attempt_and_the_last_one_is_a_dead_letter() -> None:
    first = machine.fail(held(), Holding("ann", 1), "broke", T0 + 5)
    assert (first.task.state, first.task.due_at) == (TaskState.QUEUED, T0 + 6)
    with pytest.raises(Conflict) as refused:
        machine.claim(first.task, "ann", (), 60.0, T0 + 5.5)
    assert code_of(refused) == "not_due"
    again = machine.claim(first.task, "ann", (), 60.0, T0 + 6).task
    assert machine.fail(again, Holding("ann", 2), "broke", T0 + 7).task.state is TaskState.DEAD_LETTERED


def test_the_same_failure_again_changes_nothing() -> None:
    first = machine.fail(held(), Holding("ann", 1), "broke", T0 + 5)
    again = machine.fail(first.task, Holding("ann", 1), "broke", T0 + 9)
    assert again.known
    assert again.task == first.task


def test_a_failure_of_no_use_again_ends_the_task() -> None:
    step = machine.fail(held(), Holding("ann", 1), "no such file", T0 + 5, again=False)
    assert (step.task.state, step.task.error) == (TaskState.FAILED, "no such file")


def test_the_lease_that_runs_out_last_makes_a_dead_letter() -> None:
    second = machine.claim(held(), "bob", (), 60.0, T0 + 60).task
    assert machine.tidy(second, T0 + 120).task.state is TaskState.DEAD_LETTERED


def test_a_task_is_not_given_out_after_its_deadline_and_who_holds_it_may_finish() -> None:
    limited = waiting(deadline=T0 + 10)
    assert machine.tidy(limited, T0 + 10).task.state is TaskState.DEAD_LETTERED
    running = machine.claim(limited, "ann", (), 60.0, T0).task
    assert machine.complete(running, Holding("ann", 1), "1", T0 + 30).task.state is TaskState.COMPLETED


def test_a_heartbeat_moves_the_end_of_the_lease_and_never_shortens_it() -> None:
    longer = machine.heartbeat(held(), Holding("ann", 1), 60.0, T0 + 30).task
    assert longer.lease_until == T0 + 90
    assert machine.heartbeat(longer, Holding("ann", 1), 1.0, T0 + 31).task.lease_until == T0 + 90


def test_a_person_revives_a_dead_letter_with_all_its_attempts_and_no_token_comes_twice() -> None:
    dead = machine.fail(held(), Holding("ann", 1), "broke", T0 + 5, again=False).task
    again = machine.claim(machine.revive(dead, T0 + 9).task, "ann", (), 60.0, T0 + 9).task
    assert (again.attempts, again.fence) == (1, 2)


def test_cancelling_takes_the_task_from_its_holder_and_twice_is_once() -> None:
    gone = machine.cancel(held(), T0 + 5)
    assert gone.attempt is not None
    assert gone.attempt.how is How.CANCELLED
    assert machine.cancel(gone.task, T0 + 9).known
    with pytest.raises(Conflict):
        machine.complete(gone.task, Holding("ann", 1), "1", T0 + 9)


def test_an_agent_gets_nothing_that_it_cannot_do() -> None:
    with pytest.raises(Conflict, match="gpu") as refused:
        machine.claim(waiting(capabilities=("gpu", "python")), "ann", ("python",), 60.0, T0)
    assert code_of(refused) == "lacks_capability"


def test_capabilities_are_in_order_and_each_is_there_once() -> None:
    assert checked_capabilities(["b", "a", "b"]) == ("a", "b")
    with pytest.raises(InvalidInput):
        checked_capabilities([""])
    with pytest.raises(InvalidInput):
        checked_capabilities([f"c{n}" for n in range(33)])


AGENTS = ("ann", "bob")
MOVES = st.tuples(
    st.sampled_from(["claim", "heartbeat", "complete", "fail", "give up", "tidy", "cancel", "revive"]),
    st.sampled_from(AGENTS),
    st.integers(0, 6),
    st.sampled_from(['"x"', '"y"']),
    st.floats(0.0, 90.0),
)


def moved(task: Task, move: tuple[str, str, int, str, float], now: float) -> machine.Step:
    what, agent, fence, text, _ = move
    holding = Holding(agent, fence or None)
    if what == "claim":
        return machine.claim(task, agent, (), 30.0, now)
    if what == "heartbeat":
        return machine.heartbeat(task, holding, 30.0, now)
    if what == "complete":
        return machine.complete(task, holding, text, now)
    if what in ("fail", "give up"):
        return machine.fail(task, holding, text, now, again=what == "fail")
    return {"tidy": machine.tidy, "cancel": machine.cancel, "revive": machine.revive}[what](task, now)


def run(moves: list[tuple[str, str, int, str, float]], deadline: float | None) -> list[machine.Step | str]:
    now, task = T0, waiting(deadline=deadline)
    told: list[machine.Step | str] = []
    for move in moves:
        now += move[-1]
        try:
            step = moved(task, move, now)
        except AragoraError as refused:
            told.append(refused.code)
        else:
            told.append(step)
            task = step.task
    return told


@given(st.lists(MOVES, max_size=30), st.none() | st.floats(T0, T0 + 500))
def test_laws_of_any_run(moves: list[tuple[str, str, int, str, float]], deadline: float | None) -> None:
    told = run(moves, deadline)
    assert told == run(moves, deadline), "equal input gives equal output"
    before, ended = waiting(deadline=deadline), set()
    for move, step in zip(moves, told, strict=True):
        if isinstance(step, str):
            continue
        task = step.task
        assert task.attempts <= task.attempts_max
        assert task.attempts <= task.fence
        assert task.fence in (before.fence, before.fence + 1), "a token is given once"
        assert (task.fence > before.fence) == (move[0] == "claim"), "only a claim gives one"
        assert (task.ended_at is None) == (not task.state.ended)
        assert (task.lease_until is None) == (task.state is not TaskState.CLAIMED)
        if before.state.ended and not step.known:
            assert move[0] == "revive", "what has ended stays as it is, but for a person's retry"
        if before.state is TaskState.CLAIMED and task.fence > before.fence:
            assert step.attempt is not None, "it was given away only after the lease of the one before had run out"
            assert step.attempt.how is How.LAPSED
        if step.attempt is not None:
            assert step.attempt.fence not in ended, "each attempt ends once"
            ended.add(step.attempt.fence)
        if step.known:
            assert encode(task) == encode(before)
        before = task
