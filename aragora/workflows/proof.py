"""What the receipt of an execution says: a function of its journal up to one of its ends. Pure.

An execution that is retried after an end has another end, and another receipt for each. A receipt covers the events up
to its `ExecutionEnded`; the digest over them shows that none was left out, so a list that is too long may be cut off:
`left_out` says how many entries are missing then.

An execution that broke off, as the server could not go on with it, has no receipt for that end: nothing says what its
journal adds up to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from aragora.debate.budget import MICROS
from aragora.limits import FAILURE_MAX_CHARS
from aragora.receipts.canonical import NotCanonical, canonical, digest
from aragora.receipts.receipt import EXECUTION
from aragora.texts import depth_of
from aragora.workflows import machine
from aragora.workflows.approving import ApprovalState
from aragora.workflows.definition import Definition
from aragora.workflows.machine.state import ASKED, ExecutionState
from aragora.workflows.model import (
    ApprovalAnswered,
    Event,
    ExecutionEnded,
    ExecutionRetried,
    LateAnswer,
    ReceiptIssued,
    StepAccepted,
    StepClosed,
    StepCompleted,
    StepFailed,
    StepStarted,
)
from aragora.workflows.quorum import asked, fulfilled, in_words

KIND: Final = "execution"
"""The kind of such a document in the chain."""
BROKEN: Final = "defect"
"""The code of an end for which there is no receipt: the server could not go on."""
ENTRIES_MAX: Final = 500  # of each list; and so many answers of people in all
OUTPUTS_MAX_BYTES: Final = 65_536  # in full; what is larger stands as its digest alone
OUTPUTS_MAX_DEPTH: Final = 24
BODY_MAX_BYTES: Final = 900_000  # so that it can be sent to be verified
ID_MAX_CHARS: Final = 200
AUTHORS_MAX: Final = 100

_DEBATES: Final = ("debate", "ask")


@dataclass(frozen=True, slots=True)
class End:
    """An end of an execution: the `number`-th from 1, told by event `seq` of its journal."""

    number: int
    seq: int


def receipt_id_of(execution_id: str, end: int) -> str:
    """The id of the receipt of an execution's end number `end`, from 1: known before there is one."""
    return f"rcp_{execution_id.removeprefix('exe_')}_{end}"


def owes_receipt(state: ExecutionState) -> bool:
    """Whether the execution has ended and has no receipt for that end yet."""
    if state.started is None or state.ended is None or state.ended.code == BROKEN:
        return False
    return state.receipt_id != receipt_id_of(state.started.execution_id, state.retries + 1)


def owed_ends(execution_id: str, events: Iterable[Event]) -> tuple[End, ...]:
    """The ends in a journal that have no receipt yet, the first one first."""
    ends: list[End] = []
    issued: set[str] = set()
    number = 0
    for seq, event in enumerate(events, 1):
        if isinstance(event, ReceiptIssued):
            issued.add(event.receipt_id)
        elif isinstance(event, ExecutionEnded):
            number += 1
            if event.code != BROKEN:
                ends.append(End(number, seq))
    return tuple(end for end in ends if receipt_id_of(execution_id, end.number) not in issued)


def body_of(
    definition: Definition, journal: Sequence[tuple[float, Event]], journal_sha256: str, end: int, issued_at: float
) -> dict[str, Any]:
    """What the receipt says, without its place in the chain.

    Args:
        definition: the version that the execution is pinned to.
        journal: its events up to the end, each with its moment in seconds since the epoch.
        journal_sha256: the digest of their payloads.
        end: which end that is, from 1.

    Raises ValueError where the journal is not one that ends there.
    """
    state = machine.replay(definition, journal)
    if state.ended is None:
        raise ValueError("the journal does not end with an end of its execution")
    most = ENTRIES_MAX
    while True:
        lists, left_out = _bounded_lists(state, journal, most)
        body = {**_head(state, end, journal), **lists, "left_out": left_out}
        if most == 0 or len(canonical(body)) <= BODY_MAX_BYTES:
            break
        most //= 2
    return {**body, "issued_at": issued_at, "journal": {"sha256": journal_sha256, "length": len(journal)}}


def _head(state: ExecutionState, end: int, journal: Sequence[tuple[float, Event]]) -> dict[str, Any]:
    started, ended = state.started, state.ended
    assert started is not None, "the journal begins with it"
    assert ended is not None, "who calls has looked"
    return {
        "schema": EXECUTION,
        "receipt_id": receipt_id_of(started.execution_id, end),
        "execution_id": started.execution_id,
        "end": end,
        "workflow_id": started.workflow_id,
        "version": started.version,
        "definition_sha256": started.digest,
        "name": started.name,
        "org_id": started.org_id,
        "workspace": started.workspace,
        "started_by": started.started_by,
        "authors": list(started.authors[:AUTHORS_MAX]),
        "serves": {"execution_id": started.parent, "ask_id": started.parent_ask} if started.parent else None,
        "started_at": journal[0][0],
        "ended_at": journal[-1][0],
        "status": ended.status.value,
        "code": ended.code,
        "reason": ended.reason[:FAILURE_MAX_CHARS],
        "inputs_sha256": _digest(started.inputs),
        "outputs_sha256": _digest(ended.outputs),
        "outputs": _bounded(ended.outputs),
        "cost_usd": ended.cost_micros / MICROS,
    }


def _bounded_lists(
    state: ExecutionState, journal: Sequence[tuple[float, Event]], most: int
) -> tuple[dict[str, list[dict[str, Any]]], dict[str, int]]:
    """At most so many entries of each list and so many answers in all, and how many are left out of which."""
    lists = _lists(state, journal)
    left_out = {name: len(entries) - most for name, entries in lists.items() if len(entries) > most}
    shown = {name: entries[:most] for name, entries in lists.items()}
    room, answers_left_out = most, 0
    for approval in shown["approvals"]:
        answers = approval["answers"]
        approval["answers"] = answers[:room]
        answers_left_out += max(0, len(answers) - room)
        room -= len(approval["answers"])
    return shown, {**left_out, "answers": answers_left_out} if answers_left_out else left_out


def _lists(state: ExecutionState, journal: Sequence[tuple[float, Event]]) -> dict[str, list[dict[str, Any]]]:
    done = _asks(event for _, event in journal)
    return {
        "debates": [_debate(one) for one in done if one.kind in _DEBATES],
        "approvals": [_approval(one) for one in state.approvals.values()],
        "executions": [_child(one) for one in done if one.kind == "workflow"],
        "knowledge_items": [
            {"run": one.run, "item_id": _id(one.output.get("item_id"))}
            for one in done
            if one.kind == "knowledge_write" and one.status == "done"
        ],
        "tasks": [_task(one) for one in done if one.kind == "task"],
        "retries": [
            {"by": event.by, "at": at, "run": event.run, "changed": sorted(event.what)}
            for at, event in journal
            if isinstance(event, ExecutionRetried)
        ],
    }


# --- what was asked ---------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Asked:
    """What became of one ask: `status` is done, failed or closed (nobody waited for it any more)."""

    run: str
    kind: str
    attempt: int
    ref: str = ""
    status: str = "closed"
    code: str = ""
    output: Mapping[str, Any] = field(default_factory=dict)
    cost_micros: int = 0


def _asks(events: Iterable[Event]) -> list[_Asked]:
    """What was asked outside, in the order in which it was."""
    found: dict[str, _Asked] = {}
    for event in events:
        if isinstance(event, StepStarted):
            if event.kind in ASKED:
                found.setdefault(event.ask_id, _Asked(event.run, event.kind, event.attempt))
            continue
        one = found.get(event.ask_id) if isinstance(event, _SETTLES) else None
        if one is not None:
            _settle(one, event)
    return list(found.values())


_SETTLES: Final = (StepAccepted, StepCompleted, StepFailed, StepClosed, LateAnswer)


def _settle(one: _Asked, event: Event) -> None:
    match event:
        case StepAccepted():
            one.ref = event.ref
        case StepCompleted():
            one.status, one.output = "done", event.output
            one.cost_micros += event.cost_micros
        case StepFailed():
            one.status, one.code = "failed", event.code
            one.cost_micros += event.cost_micros
        case StepClosed():
            one.code = event.why
        case LateAnswer():
            one.cost_micros += event.cost_micros


def _entry(one: _Asked) -> dict[str, Any]:
    return {
        "run": one.run,
        "attempt": one.attempt,
        "status": one.status,
        "code": one.code[:FAILURE_MAX_CHARS],
        "cost_usd": one.cost_micros / MICROS,
    }


def _debate(one: _Asked) -> dict[str, Any]:
    gave = one.output
    reached = gave.get("reached")
    return {
        **_entry(one),
        "kind": one.kind,
        "debate_id": _id(gave.get("debate_id")) or _id(one.ref),
        "receipt_id": _id(gave.get("receipt_id")),
        "receipt_hash": _id(gave.get("receipt_hash")),
        "reached": reached if isinstance(reached, bool) else None,
        "confidence": _share(gave.get("confidence")),
    }


def _child(one: _Asked) -> dict[str, Any]:
    """Its first end is what its step was told of; the receipt for that follows it, and may come after the parent's."""
    execution_id = _id(one.ref)
    heard = one.status == "done" or one.code.startswith("workflow_")
    receipt_id = receipt_id_of(execution_id, 1) if execution_id and heard else None
    return {**_entry(one), "execution_id": execution_id, "receipt_id": receipt_id}


def _task(one: _Asked) -> dict[str, Any]:
    gave = one.output
    return {
        **_entry(one),
        "task_id": _id(gave.get("task_id")) or _id(one.ref),
        "agent_id": _id(gave.get("agent_id")),
    }


def _share(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1 else None


def _id(value: object) -> str | None:
    return value[:ID_MAX_CHARS] if isinstance(value, str) and value else None


# --- people -----------------------------------------------------------------------------------------------------------


def _approval(one: ApprovalState) -> dict[str, Any]:
    counted = {person: need for need, person in fulfilled(one.policy, one.level, one.answers.values()).items()}
    return {
        "run": one.run,
        "approval_id": one.approval_id,
        "title": one.title,
        "digest": one.digest,
        "asked": list(asked(one.policy, one.level)),
        "quorum": in_words(one.policy, one.level),
        "opened_at": one.opened_at,
        "deadline_at": one.deadline_at,
        "escalations": one.level,
        "status": one.status.value,
        "why": one.why[:FAILURE_MAX_CHARS],
        "closed_at": one.closed_at,
        "answers": [_answer(answer, one.answered_at[person], counted) for person, answer in one.answers.items()],
    }


def _answer(one: ApprovalAnswered, at: float, counted: Mapping[str, str]) -> dict[str, Any]:
    return {
        "person": one.person,
        "need": one.need,
        "counts_for": counted.get(one.person),
        "verdict": one.verdict.value,
        "comment": one.comment,
        "checklist": list(one.checklist),
        "at": at,
        "mode": one.mode.value,
        "bypass": one.bypass,
        "digest": one.digest,
    }


# --- values -----------------------------------------------------------------------------------------------------------


def _digest(value: Mapping[str, Any]) -> str | None:
    """The digest of a value's canonical form; None where it has none, as with whole numbers beyond 2**53."""
    try:
        return digest(canonical(value))
    except NotCanonical:
        return None


def _bounded(value: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The value where a receipt has room for it, else None."""
    if depth_of(value, OUTPUTS_MAX_DEPTH) > OUTPUTS_MAX_DEPTH:
        return None
    try:
        return value if len(canonical(value)) <= OUTPUTS_MAX_BYTES else None
    except NotCanonical:
        return None
