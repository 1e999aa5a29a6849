"""What is to be done outside, and what its answers come to."""

from __future__ import annotations

from dataclasses import dataclass

from aragora.encoding import NotEncodable, encode
from aragora.workflows.definition import PAYLOAD_MAX_BYTES
from aragora.workflows.machine.beginning import pause_s
from aragora.workflows.machine.state import Doing, ExecutionState, Run, step_of
from aragora.workflows.model import (
    Accepted,
    Ask,
    Done,
    Event,
    Failed,
    LateAnswer,
    Reply,
    StepAccepted,
    StepCompleted,
    StepFailed,
)


@dataclass(frozen=True, slots=True)
class Owed:
    """What was begun for an ask: `kind` as the ask's, `ref` as its answer named it."""

    ask_id: str
    kind: str
    ref: str


def asks(state: ExecutionState) -> tuple[Ask, ...]:
    """What nobody does yet. Each may be sent again after a crash, by the same id."""
    return tuple(
        Ask(run.ask_id, run.key, run.step, run.kind, run.what, run.budget_micros)
        for run in state.runs.values()
        if run.doing is Doing.ASKED
    )


def settle(state: ExecutionState, reply: Reply, now: float) -> Event | None:
    """The event that a reply comes to, or None where it changes nothing: it came before, or nobody knows the ask."""
    key = state.by_ask.get(reply.ask_id)
    run = None if key is None else state.runs.get(key)
    if run is None or run.doing not in (Doing.ASKED, Doing.ACCEPTED):
        return _late(state, reply)
    if isinstance(reply, Accepted):
        return StepAccepted(run.key, run.ask_id, reply.ref) if run.doing is Doing.ASKED else None
    return _failed(state, run, reply, now) if isinstance(reply, Failed) else _completed(run, reply)


def awaited(state: ExecutionState, ask_id: str) -> bool:
    """Whether the ask is open: who began something for another may stop it."""
    return ask_id in state.by_ask


def owed(state: ExecutionState) -> tuple[Owed, ...]:
    """What was begun for asks that nobody waits for any more, and may still run: it is to be stopped."""
    return tuple(Owed(ask_id, state.steps[step_of(state.late[ask_id])].type, ref) for ask_id, ref in state.refs.items())


def _late(state: ExecutionState, reply: Reply) -> Event | None:
    run = state.late.get(reply.ask_id)
    return None if run is None or isinstance(reply, Accepted) else LateAnswer(run, reply.ask_id, reply.cost_micros)


def _completed(run: Run, reply: Done) -> Event:
    try:
        size = len(encode(reply.output))
    except (NotEncodable, TypeError):
        return StepFailed(run.key, run.ask_id, "unreadable", "its answer cannot be kept", reply.cost_micros)
    if size > PAYLOAD_MAX_BYTES:
        reason = f"its answer has {size} bytes, {PAYLOAD_MAX_BYTES} are the most"
        return StepFailed(run.key, run.ask_id, "too_large", reason, reply.cost_micros)
    return StepCompleted(run.key, run.ask_id, reply.output, "done", reply.cost_micros)


def _failed(state: ExecutionState, run: Run, reply: Failed, now: float) -> StepFailed:
    step = state.steps[run.step]
    again_at = None
    if reply.again and run.attempt < step.retry.attempts:
        again_at = now + pause_s(step, run.attempt, run.ask_id)
        if run.times_out_at is not None and again_at >= run.times_out_at:
            again_at = None
    return StepFailed(run.key, run.ask_id, reply.code, reply.reason, reply.cost_micros, again_at)
