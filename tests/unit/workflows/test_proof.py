"""What the receipt of an execution says, and that it says nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from worlds.execution_receipts import (
    DEBATE,
    FOLDER,
    SIGNER,
    VECTORS,
    document_of,
    made,
    payloads_of,
    released,
    retried,
    told,
)
from worlds.workflowing import Execution, approval, chain, debate, definition

from aragora.receipts.canonical import canonical, digest, journal_digest
from aragora.receipts.verifying import verify, verify_chain
from aragora.workflows import journal, machine, proof
from aragora.workflows.approval_content import content_of
from aragora.workflows.definition import Approval
from aragora.workflows.model import (
    ApprovalStatus,
    ExecutionEnded,
    ExecutionStatus,
    ReceiptIssued,
)
from aragora.workflows.proof import body_of, owed_ends, owes_receipt, receipt_id_of


def test_a_receipt_says_what_was_run_who_approved_it_and_which_debates_it_rests_on() -> None:
    body = told(released())
    assert {name: body[name] for name in ("schema", "receipt_id", "execution_id", "end", "status", "cost_usd")} == {
        "schema": "aragora.execution/1",
        "receipt_id": "rcp_1_1",
        "execution_id": "exe_1",
        "end": 1,
        "status": "completed",
        "cost_usd": 2.5,
    }
    assert (body["outputs"], body["inputs_sha256"]) == ({"answer": "Go."}, digest(canonical({"version": "2"})))
    assert [(one["run"], one["status"], one["debate_id"], one["receipt_hash"]) for one in body["debates"]] == [
        ("judge", "done", "deb_1", "ab" * 32),
        ("tell", "failed", None, None),
    ]
    assert (body["debates"][0]["reached"], body["debates"][0]["confidence"]) == (True, 0.75)
    assert (body["started_at"], body["ended_at"]) == (1_000_000.0, 1_000_060.0)


def test_an_approval_tells_each_persons_word_how_that_person_had_logged_in_and_what_it_read() -> None:
    execution = released()
    (known,) = told(execution)["approvals"]
    policy = execution.definition.step("sign")
    assert isinstance(policy, Approval)
    assert (known["title"], known["status"], known["quorum"]) == (
        "Release it?",
        "approved",
        "2 of role:owner; one rejection rejects it",
    )
    assert known["digest"] == digest(canonical(content_of("Release it?", {}, policy)))
    bob, carol = known["answers"]
    assert (bob["person"], bob["need"], bob["verdict"], bob["comment"], bob["mode"], bob["at"], bob["bypass"]) == (
        "bob",
        "role:owner",
        "approve",
        "Tested by hand.",
        "local",
        1_000_060.0,
        False,
    )
    assert bob["digest"] == carol["digest"] == known["digest"]
    assert {bob["counts_for"], carol["counts_for"]} == {"1", "2"}


def test_the_same_journal_makes_the_same_receipt_after_a_replay_from_the_store() -> None:
    execution = released()
    payloads = payloads_of(execution)
    read = [(journal.stamp_of(one), journal.event_of(one)) for one in payloads]
    body = body_of(execution.definition, read, journal_digest(payloads), 1, 2_000_000.0)
    assert canonical(body) == canonical(told(execution))


def test_a_signed_receipt_is_valid_in_its_chain_and_a_changed_word_of_a_person_is_found_out() -> None:
    execution = released()
    document = json.loads(document_of(told(execution)))
    lines = [f"{one}\n".encode() for one in payloads_of(execution)]
    assert verify(document, {SIGNER.public_key}, lines)[0]
    assert verify_chain([document], {SIGNER.public_key}).valid
    document["approvals"][0]["answers"][0]["verdict"] = "reject"
    assert [one["name"] for one in verify(document, None, lines)[1] if not one["passed"]] == ["hash"]


@pytest.mark.parametrize("spoiled", [slice(1, None), slice(None, -1)])
def test_a_journal_that_lacks_an_event_is_not_the_one_the_receipt_covers(spoiled: slice) -> None:
    execution = released()
    document = json.loads(document_of(told(execution)))
    lines = [f"{one}\n".encode() for one in payloads_of(execution)]
    valid, checks = verify(document, None, lines[spoiled])
    assert (valid, [one["name"] for one in checks if not one["passed"]]) == (False, ["journal"])
    more = [*lines, b'{"type":"receipt_issued"}\n']
    assert verify(document, None, more)[0], "what comes after the end is not covered"


def test_each_end_has_a_receipt_of_its_own_and_the_later_one_names_the_retry() -> None:
    execution = Execution(definition(debate("a"), outputs={"x": "steps.a.answer"}))
    execution.failed("a")
    assert owes_receipt(execution.state)
    execution.happen(ReceiptIssued(receipt_id_of("exe_1", 1), 1, "ab" * 32))
    assert not owes_receipt(execution.state)
    execution.happen(machine.retry(execution.state, "dan", "a", {"question": "Again?"}, execution.now))
    assert not owes_receipt(execution.state)
    execution.done("a", answer="yes")
    assert owes_receipt(execution.state)
    (end,) = owed_ends("exe_1", [event for _, event in execution.events])
    assert end.number == 2
    body = told(execution, 2)
    assert (body["receipt_id"], body["status"], body["end"]) == ("rcp_1_2", "completed", 2)
    assert body["retries"] == [{"by": "dan", "at": execution.now, "run": "a", "changed": ["question"]}]
    assert [one["status"] for one in body["debates"]] == ["failed", "done"]


def test_an_earlier_end_that_was_retried_before_its_receipt_still_gets_one() -> None:
    execution = Execution(definition(debate("a")))
    execution.failed("a")
    execution.happen(machine.retry(execution.state, "dan", "a", {}, execution.now))
    execution.done("a")
    assert [one.number for one in owed_ends("exe_1", [event for _, event in execution.events])] == [1, 2]
    assert (told(execution, 1)["status"], told(execution, 2)["status"]) == ("failed", "completed")


def test_an_execution_that_broke_off_has_no_receipt_for_that_end() -> None:
    execution = Execution(definition(debate("a")))
    execution.happen(ExecutionEnded(ExecutionStatus.FAILED, {}, proof.BROKEN, "the server could not go on"))
    assert not owes_receipt(execution.state)
    assert owed_ends("exe_1", [event for _, event in execution.events]) == ()


def test_a_bypass_an_expiry_and_a_closed_debate_are_told_as_such() -> None:
    shape = definition(
        {"type": "parallel", "id": "both", "blocks": ["sign", "judge"], "wait_for": "first"},
        approval("sign", deadline_s=60),
        debate("judge"),
    )
    execution = Execution(shape)
    execution.wait(61)
    execution.done("both/1/judge", **DEBATE)
    (known,) = told(execution)["approvals"]
    assert (known["status"], known["answers"]) == (ApprovalStatus.EXPIRED.value, [])
    cancelled = Execution(definition(debate("judge")))
    cancelled.accepted("judge", "deb_2")
    cancelled.happen(machine.cancel(cancelled.state, "ann", "not needed"))
    body = told(cancelled)
    assert (body["status"], body["debates"][0]["status"], body["debates"][0]["debate_id"]) == (
        "cancelled",
        "closed",
        "deb_2",
    )
    assert body["reason"] == "cancelled by ann: not needed"


def test_a_child_is_named_with_the_receipt_of_its_first_end() -> None:
    execution = Execution(definition({"type": "workflow", "id": "sub", "workflow": "wf_2"}))
    execution.accepted("sub", "exe_c")
    execution.done("sub", execution_id="exe_c", status="completed", outputs={})
    (child,) = told(execution)["executions"]
    assert (child["execution_id"], child["receipt_id"], child["status"]) == ("exe_c", "rcp_c_1", "done")


def test_knowledge_and_tasks_are_named() -> None:
    execution = Execution(
        definition(
            *chain(
                {"type": "knowledge_write", "id": "keep", "text": "It works."},
                {"type": "task", "id": "deploy", "task": "deploy"},
            )
        )
    )
    execution.done("keep", item_id="kno_1")
    execution.accepted("deploy", "tsk_1")
    execution.done("deploy", task_id="tsk_1", agent_id="agt_1", result={})
    body = told(execution)
    assert body["knowledge_items"] == [{"run": "keep", "item_id": "kno_1"}]
    assert [(one["task_id"], one["agent_id"]) for one in body["tasks"]] == [("tsk_1", "agt_1")]


@pytest.mark.parametrize(
    "given", [{"x": 2**60}, {"x": "y" * 70_000}, {"x": [[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]}]
)
def test_outputs_that_a_receipt_has_no_room_for_or_no_form_for_are_left_to_the_journal(given: dict[str, Any]) -> None:
    execution = Execution(definition(debate("a"), outputs={"x": "steps.a.x"}))
    execution.done("a", **given)
    body = told(execution)
    assert body["status"] == "completed"
    assert body["outputs"] is None
    document = json.loads(document_of(body))
    assert verify(document, {SIGNER.public_key})[0]


@pytest.mark.parametrize("output", [{"reached": "yes", "confidence": 7}, {"debate_id": 1, "confidence": True}, {}])
def test_what_a_step_gave_is_told_only_where_it_is_what_it_says(output: dict[str, Any]) -> None:
    execution = Execution(definition(debate("a")))
    execution.done("a", **output)
    (known,) = told(execution)["debates"]
    assert (known["debate_id"], known["reached"], known["confidence"]) == (None, None, None)


def test_long_lists_are_cut_off_told_so_and_stay_a_receipt_that_can_be_sent_and_verified(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    people = [f"user:{number:0110}" for number in range(10)]
    each = approval("sign", approvers=people, quorum="all", title="t" * 100, veto=False)
    shape = definition(
        {"type": "map", "id": "many", "over": "inputs.items", "block": "sign", "items_max": 60, "at_once": 50}, each
    )
    execution = Execution(shape, {"items": list(range(60))})
    while execution.pending():
        run = execution.pending()[0]
        for person in people:
            execution.answer(run, person.removeprefix("user:"), comment="c" * 500)
    body = told(execution)
    assert (len(body["approvals"]), body["left_out"]) == (60, {"answers": 600 - proof.ENTRIES_MAX})
    monkeypatch.setattr(proof, "BODY_MAX_BYTES", 300_000)
    smaller = told(execution)
    assert len(canonical(smaller)) <= 301_000
    shown = sum(len(one["answers"]) for one in smaller["approvals"])
    assert (len(smaller["approvals"]), smaller["left_out"]) == (60, {"answers": 600 - shown})
    document = json.loads(document_of(body))
    assert verify(document, {SIGNER.public_key})[0]


def test_who_answered_in_place_of_others_is_told() -> None:
    (one,) = told(retried(), 2)["approvals"][0]["answers"]
    assert (one["bypass"], one["counts_for"], one["mode"], one["need"]) == (True, None, "second_factor", "")


@pytest.mark.parametrize("name", VECTORS)
def test_the_vectors_are_what_this_version_writes(name: str) -> None:
    exported, document = made(name)
    how = "if the format is meant to change, say so in docs/spec and run: python -m worlds.execution_receipts"
    assert (FOLDER / f"{name}.jsonl").read_text() == exported, how
    assert (FOLDER / f"{name}.json").read_text() == f"{document}\n", how
