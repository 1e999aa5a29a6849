"""What is asked outside: attempts, time, money, and answers that come late or twice."""

from __future__ import annotations

from dataclasses import replace

from worlds.workflowing import Execution, approval, ask, chain, debate, definition

from aragora.workflows import machine
from aragora.workflows.model import (
    Accepted,
    Done,
    ExecutionStatus,
    Failed,
    LateAnswer,
    StepAccepted,
    StepCompleted,
    StepFailed,
    StepStarted,
)

RETRIES = {"retry": {"attempts": 3, "pause_s": 10, "factor": 2}}


def test_an_ask_has_an_id_of_execution_run_and_attempt_alone() -> None:
    first, again = (Execution(definition(debate("a", **RETRIES))) for _ in range(2))
    assert first.asked("a").ask_id == again.asked("a").ask_id
    first.failed("a", again=True)
    first.wait(10)
    assert first.asked("a").ask_id != again.asked("a").ask_id


def test_what_failed_is_tried_again_after_pauses_that_grow_and_then_no_more() -> None:
    execution = Execution(definition(debate("a", **RETRIES)))
    for least, most in ((5, 10), (10, 20)):
        execution.failed("a", again=True)
        due = machine.next_moment(execution.state)
        assert due is not None
        assert least <= due - execution.now <= most
        assert machine.asks(execution.state) == ()
        execution.wait(most)
        assert len(machine.asks(execution.state)) == 1
    execution.failed("a", again=True)
    assert execution.status is ExecutionStatus.FAILED
    assert execution.state.step_runs == 3


def test_what_cannot_go_better_is_not_tried_again() -> None:
    execution = Execution(definition(debate("a", **RETRIES)))
    execution.failed("a")
    assert execution.status is ExecutionStatus.FAILED


def test_a_late_answer_of_an_attempt_that_timed_out_counts_for_its_cost_alone() -> None:
    """W8: dropped, counted, and not taken into the result."""
    execution = Execution(definition(*chain(debate("a", timeout_s=60, optional=True), debate("b"))))
    first = execution.asked("a").ask_id
    execution.accepted("a", "deb_1")
    execution.wait(60)
    assert execution.open == ["b"]
    assert [one.ref for one in machine.owed(execution.state)] == ["deb_1"]
    assert execution.reply(Done(first, {"answer": "late"}, 7)) == [LateAnswer("a", first, 7)]
    execution.done("b", cost_micros=1)
    assert execution.state.ended is not None
    assert (execution.status, execution.state.ended.cost_micros) == (ExecutionStatus.COMPLETED, 8)


def test_an_answer_that_comes_after_its_run_was_closed_is_counted_once_also_after_the_end() -> None:
    """W9: what is in flight when somebody cancels is recorded as discarded."""
    execution = Execution(definition(debate("a")))
    asked = execution.asked("a").ask_id
    execution.accepted("a", "deb_1")
    execution.happen(machine.cancel(execution.state, "ann", ""))
    assert execution.status is ExecutionStatus.CANCELLED
    assert [one.ref for one in machine.owed(execution.state)] == ["deb_1"]
    late = execution.reply(Done(asked, {"answer": "late"}, 7))
    assert late == [LateAnswer("a", asked, 7)]
    assert (execution.state.cost_micros, machine.owed(execution.state)) == (7, ())
    assert execution.reply(Done(asked, {}, 7)) == []
    assert execution.status is ExecutionStatus.CANCELLED


def test_the_same_reply_again_changes_nothing() -> None:
    execution = Execution(definition(*chain(debate("a"), debate("b"))))
    asked = execution.asked("a").ask_id
    assert execution.accepted("a", "deb_1") == [StepAccepted("a", asked, "deb_1")]
    assert execution.reply(Accepted(asked, "deb_1")) == []
    execution.done("a")
    before = len(execution.events)
    for reply in (Accepted(asked, "deb_1"), Done(asked, {}, 5), Failed(asked, "x", "y", again=True)):
        assert execution.reply(reply) == []
    assert len(execution.events) == before


def test_signals_of_any_kind_never_ask_again_what_is_in_flight() -> None:
    """W12."""
    execution = Execution(definition(*chain(debate("a"), {"type": "wait", "id": "w", "event": "go"})))
    for number in range(5):
        execution.happen(machine.signal(execution.state, "go", {"n": number}, f"s{number}", "ann"))
    assert len([event for _, event in execution.events if isinstance(event, StepStarted)]) == 1


def test_the_budget_is_reserved_before_a_step_and_what_is_not_spent_goes_to_the_next() -> None:
    steps = chain(debate("a", budget_usd=0.6), debate("b", budget_usd=0.6), debate("c"))
    execution = Execution(definition(*steps), budget_micros=1_000_000)
    assert execution.asked("a").budget_micros == 600_000
    execution.done("a", cost_micros=100_000)
    assert execution.asked("b").budget_micros == 600_000
    execution.done("b", cost_micros=600_000)
    assert execution.asked("c").budget_micros == 300_000


def test_steps_at_a_time_never_hold_more_than_the_budget_and_wait_for_what_others_give_back() -> None:
    both = {"type": "parallel", "id": "both", "blocks": ["a", "b"]}
    execution = Execution(definition(both, debate("a"), debate("b")), budget_micros=1_000_000)
    assert execution.open == ["both", "both/0/a"]
    execution.done("both/0/a", cost_micros=400_000)
    assert execution.asked("both/1/b").budget_micros == 600_000


def test_a_step_without_budget_left_fails_and_says_so() -> None:
    execution = Execution(definition(*chain(debate("a"), debate("b"))), budget_micros=10)
    execution.done("a", cost_micros=10)
    assert execution.state.ended is not None
    assert (execution.status, execution.state.ended.code) == (ExecutionStatus.FAILED, "budget")


def test_an_answer_that_cannot_be_kept_or_is_too_large_fails_its_step() -> None:
    large = Execution(definition(ask("a")))
    large.done("a", answer="x" * 300_000)
    assert large.state.ended is not None
    assert large.state.ended.code == "too_large"
    broken = Execution(definition(ask("a")))
    broken.done("a", answer="\ud800")
    assert broken.state.ended is not None
    assert broken.state.ended.code == "unreadable"


def test_a_step_has_its_time_over_all_attempts() -> None:
    execution = Execution(definition(debate("a", timeout_s=12, **RETRIES)))
    execution.failed("a", again=True)
    execution.wait(11)
    happened = execution.wait(1)
    assert isinstance(happened[0], StepFailed)
    assert execution.status is ExecutionStatus.FAILED


def test_a_wait_for_seconds_a_moment_and_an_event() -> None:
    sleep = Execution(definition({"type": "wait", "id": "w", "for_s": 60}))
    sleep.wait(59)
    assert sleep.status is ExecutionStatus.WAITING
    sleep.wait(1)
    assert sleep.status is ExecutionStatus.COMPLETED
    moment = Execution(
        definition({"type": "wait", "id": "w", "until": "{{ inputs.at }}"}), {"at": "1970-01-12T13:47:00Z"}
    )
    assert machine.next_moment(moment.state) == 1_000_020.0
    past = Execution(definition({"type": "wait", "id": "w", "until": "1970-01-01T00:00:00Z"}))
    assert past.status is ExecutionStatus.COMPLETED


def test_until_goes_on_and_expires_takes_its_branch() -> None:
    """W26."""
    event = Execution(
        definition({"type": "wait", "id": "w", "event": "go", "expires_s": 60, "on": {"expired": "b"}}, debate("b"))
    )
    event.wait(60)
    assert event.open == ["b"]
    without = Execution(definition({"type": "wait", "id": "w", "event": "go", "expires_s": 60}))
    without.wait(60)
    assert without.state.ended is not None
    assert without.state.ended.code == "expired"


def test_an_event_that_comes_before_the_wait_counts_and_counts_once() -> None:
    """W13."""
    execution = Execution(
        definition(
            *chain(
                debate("a"),
                {"type": "wait", "id": "first", "event": "go"},
                {"type": "wait", "id": "second", "event": "go"},
            ),
            outputs={"n": "steps.first.event.n"},
        )
    )
    execution.happen(machine.signal(execution.state, "go", {"n": 1}, "s1", "ann"))
    assert machine.signal(execution.state, "go", {"n": 1}, "s1", "ann") is None
    execution.done("a")
    assert execution.open == ["second"]
    execution.happen(machine.signal(execution.state, "go", {"n": 2}, "s2", "ann"))
    assert execution.state.ended is not None
    assert execution.state.ended.outputs == {"n": 1}


def test_an_answer_takes_the_moment_of_its_deadline_from_nobody() -> None:
    """W25: expiry happens at the due time, also when nobody looked then."""
    execution = Execution(definition(approval("sign", deadline_s=60, on={"expired": "late"}), debate("late")))
    execution.now += 3_600
    execution.happen(None)
    assert execution.open == ["late"]
    (completed,) = [event for _, event in execution.events if isinstance(event, StepCompleted)]
    assert completed.outcome == "expired"
    assert replace(completed, output={}) == StepCompleted("sign", completed.ask_id, {}, "expired")


def test_what_is_a_text_stays_one_whatever_its_expression_gives() -> None:
    """An approver is shown texts: a number that stood alone made an event that no journal could give back."""
    execution = Execution(
        definition(
            approval(
                "sign", shows={"confidence": "{{ 0.5 }}", "list": "{{ [1, 2] }}", "nothing": "{{ null }}"}, next="b"
            ),
            debate("b", question="{{ 1 }}", options="[1, '{{ two }}']", next="c"),
            {"type": "task", "id": "c", "task": "{{ 3 }}", "payload": {"n": "{{ 3 }}"}},
        )
    )
    (shown,) = [one.shown for one in execution.state.approvals.values()]
    assert shown == {"confidence": "0.5", "list": "[1,2]", "nothing": ""}
    execution.answer("sign")
    assert (execution.asked("b").what["question"], execution.asked("b").what["options"]) == ("1", ["1", "{{ two }}"])
    execution.done("b")
    assert (execution.asked("c").what["task"], execution.asked("c").what["payload"]) == ("3", {"n": 3})


def test_options_that_are_no_list_fail_their_step() -> None:
    execution = Execution(definition(debate("a", options="1")))
    assert execution.state.ended is not None
    assert "options are no list" in execution.state.ended.reason
