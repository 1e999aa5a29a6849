"""How steps follow each other: chains, branches, blocks, and the ends of executions."""

from __future__ import annotations

from worlds.workflowing import Execution, approval, ask, chain, debate, definition, to_its_end

from aragora.workflows import machine
from aragora.workflows.model import ExecutionStatus, StepClosed, StepStarted, Verdict


def test_steps_of_a_chain_run_one_after_the_other_and_the_outputs_are_what_they_gave() -> None:
    execution = Execution(
        definition(
            *chain(debate("a"), debate("b", question="So {{ steps.a.answer }}?")), outputs={"x": "steps.b.answer"}
        )
    )
    assert execution.open == ["a"]
    execution.done("a", answer="yes")
    assert execution.asked("b").what["question"] == "So yes?"
    execution.done("b", answer="no", cost_micros=5)
    assert execution.state.ended is not None
    assert (execution.status, execution.state.ended.outputs) == (ExecutionStatus.COMPLETED, {"x": "no"})
    assert execution.state.ended.cost_micros == 5


def test_a_branch_goes_to_the_first_step_whose_condition_holds() -> None:
    steps = (
        {
            "type": "decide",
            "id": "which",
            "branches": [{"when": "inputs.n > 10", "next": "big"}, {"when": "inputs.n > 5", "next": "middle"}],
            "next": "small",
        },
        debate("big"),
        debate("middle"),
        debate("small"),
    )
    for number, expected in ((11, "big"), (6, "middle"), (1, "small")):
        assert Execution(definition(*steps), {"n": number}).open == [expected]


def test_a_condition_that_cannot_be_told_fails_its_step_with_the_reason() -> None:
    execution = Execution(
        definition({"type": "decide", "id": "which", "branches": [{"when": "inputs.n > 1", "next": None}]})
    )
    assert execution.state.ended is not None
    assert (execution.status, execution.state.ended.code) == (ExecutionStatus.FAILED, "expression")
    assert "which" in execution.state.ended.reason


def test_parallel_blocks_run_at_a_time_and_what_they_gave_is_seen_after_them() -> None:
    execution = Execution(
        definition(
            {"type": "parallel", "id": "both", "blocks": ["a", "b"], "next": "c"},
            debate("a"),
            debate("b"),
            debate("c", question="{{ steps.a.answer }} or {{ steps.b.answer }}?"),
        )
    )
    assert execution.open == ["both", "both/0/a", "both/1/b"]
    execution.done("both/1/b", answer="B")
    assert execution.open == ["both", "both/0/a"]
    execution.done("both/0/a", answer="A")
    assert execution.asked("c").what["question"] == "A or B?"


def test_of_a_race_the_losers_are_closed_at_once() -> None:
    """W14: a race of an approval, a moment and a debate."""
    execution = Execution(
        definition(
            {
                "type": "parallel",
                "id": "race",
                "blocks": ["sign", "sleep", "talk"],
                "wait_for": "first",
                "next": "after",
            },
            approval("sign"),
            {"type": "wait", "id": "sleep", "for_s": 60},
            debate("talk"),
            debate("after"),
        )
    )
    execution.accepted("race/2/talk", "deb_1")
    happened = execution.wait(60)
    assert execution.open == ["after"]
    closed = {event.run: event.ref for event in happened if isinstance(event, StepClosed)}
    assert closed == {"race/0/sign": "", "race/2/talk": "deb_1"}
    assert execution.pending() == []
    assert execution.state.blocks.keys() == {""}


def test_a_block_that_fails_fails_what_runs_it_and_closes_the_others() -> None:
    execution = Execution(
        definition({"type": "parallel", "id": "both", "blocks": ["a", "b"]}, debate("a"), debate("b"))
    )
    execution.failed("both/0/a")
    assert execution.state.ended is not None
    assert (execution.status, execution.state.ended.code) == (ExecutionStatus.FAILED, "debate_failed")
    assert execution.open == []


def test_a_race_fails_only_once_all_have_failed() -> None:
    race = {"type": "parallel", "id": "race", "blocks": ["a", "b"], "wait_for": "first"}
    execution = Execution(definition(race, debate("a"), debate("b")))
    execution.failed("race/0/a")
    assert execution.status is ExecutionStatus.RUNNING
    execution.failed("race/1/b")
    assert execution.status is ExecutionStatus.FAILED


def test_a_map_runs_a_block_for_each_item_and_so_many_at_a_time() -> None:
    execution = Execution(
        definition(
            {"type": "map", "id": "each", "over": "inputs.names", "block": "ask", "items_max": 5, "at_once": 2},
            ask("ask", question="{{ index }}: {{ item }}?"),
            outputs={"all": "steps.each.items.map(x, x.answer)"},
        ),
        {"names": ["a", "b", "c"]},
    )
    assert execution.open == ["each", "each/0/ask", "each/1/ask"]
    execution.done("each/1/ask", answer="B")
    assert execution.open == ["each", "each/0/ask", "each/2/ask"]
    assert execution.asked("each/2/ask").what["question"] == "2: c?"
    execution.done("each/2/ask", answer="C")
    execution.done("each/0/ask", answer="A")
    assert execution.state.ended is not None
    assert execution.state.ended.outputs == {"all": ["A", "B", "C"]}


def test_a_map_over_nothing_is_done_and_one_over_too_much_fails() -> None:
    def over(count: int) -> Execution:
        each = {"type": "map", "id": "each", "over": "inputs.names", "block": "ask", "items_max": 5}
        return Execution(definition(each, ask("ask")), {"names": ["x"] * count})

    assert over(0).status is ExecutionStatus.COMPLETED
    assert over(5).status is ExecutionStatus.RUNNING
    six, million = over(6), over(1_000_000)
    assert six.state.ended is not None
    assert "6 items, 5 are the most" in six.state.ended.reason
    assert million.state.ended is not None
    assert million.state.ended.code == "expression"


def test_what_the_items_of_a_map_give_together_is_bounded_and_what_is_open_is_closed() -> None:
    each = {"type": "map", "id": "each", "over": "inputs.names", "block": "ask", "items_max": 50, "at_once": 2}
    execution = Execution(definition(each, ask("ask")), {"names": ["x"] * 50})
    given = 0
    while not execution.status.ended:
        run = next(one for one in execution.open if one != "each")
        execution.done(run, text="y" * 250_000)
        given += 1
    assert given == 17
    assert execution.state.ended is not None
    assert (execution.state.ended.code, execution.open) == ("too_large", [])
    assert "step each" in execution.state.ended.reason
    assert "StepClosed" in execution.kinds()
    assert execution.replayed() == execution.state


BOMB = "inputs.all.map(a, inputs.all.map(b, a + b)).size() == 0"
"""Nearly all that one expression may do."""


def test_what_one_decision_computes_counts_together() -> None:
    def deciding(count: int) -> Execution:
        branches = [{"when": BOMB, "next": "never"}] * count
        steps = {"type": "decide", "id": "which", "branches": branches}, ask("never")
        return Execution(definition(*steps, inputs={"all": {"type": "list"}}), {"all": list(range(90))})

    assert deciding(1).status is ExecutionStatus.COMPLETED
    many = deciding(20)
    assert many.state.ended is not None
    assert (many.status, many.state.ended.code) == (ExecutionStatus.FAILED, "expression")
    assert "does too much" in many.state.ended.reason


def test_what_all_outputs_compute_counts_together() -> None:
    def giving(count: int) -> Execution:
        outputs = {f"o{number}": BOMB for number in range(count)}
        execution = Execution(
            definition(ask("a"), inputs={"all": {"type": "list"}}, outputs=outputs), {"all": list(range(90))}
        )
        execution.done("a")
        return execution

    assert giving(1).status is ExecutionStatus.COMPLETED
    many = giving(20)
    assert many.state.ended is not None
    assert (many.status, many.state.ended.code) == (ExecutionStatus.FAILED, "expression")


def test_a_loop_goes_on_until_its_condition_holds_and_a_round_sees_the_one_before() -> None:
    execution = Execution(
        definition(
            {"type": "loop", "id": "again", "block": "draft", "rounds_max": 5, "until": "steps.draft.confidence > 0.8"},
            debate("draft", question="{{ round }}: {{ has(steps.draft) ? steps.draft.answer : 'new' }}"),
            outputs={"rounds": "steps.again.rounds", "met": "steps.again.met", "last": "steps.draft.answer"},
        )
    )
    assert execution.asked("again/0/draft").what["question"] == "1: new"
    execution.done("again/0/draft", answer="first", confidence=0.5)
    assert execution.asked("again/1/draft").what["question"] == "2: first"
    execution.done("again/1/draft", answer="second", confidence=0.9)
    assert execution.state.ended is not None
    assert execution.state.ended.outputs == {"rounds": 2, "met": True, "last": "second"}


def test_a_loop_ends_at_its_bound_and_says_that_it_was_not_met() -> None:
    execution = Execution(
        definition(
            {"type": "loop", "id": "again", "block": "draft", "rounds_max": 3, "until": "false"},
            debate("draft"),
            outputs={"met": "steps.again.met", "rounds": "steps.again.rounds"},
        )
    )
    to_its_end(execution, lambda _: {})
    assert execution.state.ended is not None
    assert execution.state.ended.outputs == {"met": False, "rounds": 3}


def test_approvals_in_a_loop_in_parallel_and_in_a_map_are_each_their_own() -> None:
    """W21, W22: side effects before an approval happen once, and the second approval is another one."""
    execution = Execution(
        definition(
            {"type": "loop", "id": "again", "block": "draft", "rounds_max": 3, "next": "both"},
            debate("draft", next="sign"),
            approval("sign"),
            {"type": "parallel", "id": "both", "blocks": ["left", "right"]},
            approval("left"),
            approval("right"),
        )
    )
    for number in range(3):
        execution.done(f"again/{number}/draft")
        assert execution.pending() == [f"again/{number}/sign"]
        execution.answer(f"again/{number}/sign")
    assert execution.pending() == ["both/0/left", "both/1/right"]
    execution.answer("both/1/right")
    execution.answer("both/0/left")
    assert execution.status is ExecutionStatus.COMPLETED
    assert len(execution.state.approvals) == 5
    drafts = [event.run for _, event in execution.events if isinstance(event, StepStarted) and event.step == "draft"]
    assert drafts == [f"again/{number}/draft" for number in range(3)]


def test_a_rejection_takes_its_branch_and_ends_the_execution_where_there_is_none() -> None:
    with_branch = Execution(definition(approval("sign", on={"rejected": "tell"}), debate("tell")))
    with_branch.answer("sign", verdict=Verdict.REJECT)
    assert with_branch.open == ["tell"]
    without = Execution(definition(approval("sign")))
    without.answer("sign", verdict=Verdict.REJECT)
    assert without.state.ended is not None
    assert (without.status, without.state.ended.code) == (ExecutionStatus.FAILED, "rejected")


def test_an_approval_that_expires_is_not_a_rejection() -> None:
    """A5: another branch, another code."""
    expires = Execution(
        definition(
            approval("sign", deadline_s=60, on={"rejected": "no", "expired": "late"}), debate("no"), debate("late")
        )
    )
    expires.wait(60)
    assert expires.open == ["late"]
    without = Execution(definition(approval("sign", deadline_s=60)))
    without.wait(60)
    assert without.state.ended is not None
    assert without.state.ended.code == "expired"


def test_what_is_optional_goes_on_where_it_failed_and_says_why() -> None:
    execution = Execution(
        definition(
            debate("a", optional=True, next="b"),
            debate("b", question="{{ has(steps.a.error) ? steps.a.error.code : 'fine' }}"),
        )
    )
    execution.failed("a")
    assert execution.asked("b").what["question"] == "debate_failed"


def test_steps_that_compensate_run_in_reverse_and_a_failure_of_one_does_not_stop_the_others() -> None:
    steps = (
        {"type": "task", "id": "book", "task": "book", "compensate": "unbook", "next": "pay"},
        {"type": "task", "id": "pay", "task": "pay", "compensate": "refund", "next": "talk"},
        debate("talk"),
        {"type": "task", "id": "unbook", "task": "unbook", "payload": {"what": "{{ steps.book.task_id }}"}},
        {"type": "task", "id": "refund", "task": "refund"},
    )
    execution = Execution(definition(*steps))
    execution.done("book", task_id="t1")
    execution.done("pay", task_id="t2")
    execution.failed("talk")
    assert (execution.status, execution.open) == (ExecutionStatus.COMPENSATING, ["refund"])
    execution.failed("refund")
    assert execution.asked("unbook").what["payload"] == {"what": "t1"}
    execution.done("unbook")
    assert execution.state.ended is not None
    assert (execution.status, execution.state.ended.code) == (ExecutionStatus.FAILED, "debate_failed")
    assert "not undone: pay" in execution.state.ended.reason


def test_a_workflow_does_not_start_others_too_deep() -> None:
    child = {"type": "workflow", "id": "child", "workflow": "wf_2"}
    assert Execution(definition(child), depth=4).open == ["child"]
    deepest = Execution(definition(child), depth=5)
    assert deepest.state.ended is not None
    assert deepest.state.ended.code == "too_deep"


def test_an_execution_ends_at_its_time_whatever_it_waits_for() -> None:
    execution = Execution(definition(approval("sign"), timeout_s=3_600))
    happened = execution.wait(3_600)
    assert execution.state.ended is not None
    assert (execution.status, execution.state.ended.code) == (ExecutionStatus.FAILED, "timeout")
    assert [type(event).__name__ for event in happened] == [
        "ExecutionStopping",
        "ApprovalClosed",
        "StepClosed",
        "ExecutionEnded",
    ]
    assert machine.next_moment(execution.state) is None


def test_the_time_of_the_whole_is_the_next_moment_where_a_step_ends_later() -> None:
    execution = Execution(definition(*chain(debate("a"), {"type": "wait", "id": "w", "for_s": 50}), timeout_s=60))
    began = execution.now
    execution.wait(30)
    execution.done("a")
    assert machine.next_moment(execution.state) == began + 60
    execution.wait(30)
    assert (execution.status, execution.state.ended_at) == (ExecutionStatus.FAILED, began + 60)
