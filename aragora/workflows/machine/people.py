"""What people do to an execution: each function gives the event, or says why not.

The same again is no fault: where what somebody wants is so already, there is no event.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aragora.encoding import NotEncodable, encode
from aragora.errors import Conflict, InvalidInput, NotFound, TooLarge
from aragora.workflows.definition import PAYLOAD_MAX_BYTES
from aragora.workflows.machine.editing import edited
from aragora.workflows.machine.state import ExecutionState, request_key
from aragora.workflows.model import (
    CancelRequested,
    ExecutionPaused,
    ExecutionResumed,
    ExecutionRetried,
    ExecutionStatus,
    SignalReceived,
)

SIGNALS_MAX: Final = 1_000  # of one execution, and
SIGNALS_MAX_BYTES: Final = 16_777_216  # of their payloads
RETRIES_MAX: Final = 100


def pause(state: ExecutionState, by: str) -> ExecutionPaused | None:
    """From now on nothing begins. Raises Conflict where the execution has ended, or is about to."""
    _check_open(state)
    if state.stopping is not None or state.failing is not None:
        raise Conflict("The execution is ending: it cannot be paused.", code="execution_ending")
    return None if state.paused else ExecutionPaused(by)


def resume(state: ExecutionState, by: str) -> ExecutionResumed | None:
    """It goes on. Raises Conflict where the execution has ended."""
    _check_open(state)
    return ExecutionResumed(by) if state.paused else None


def cancel(state: ExecutionState, by: str, reason: str) -> CancelRequested | None:
    """It ends as cancelled. Raises Conflict where it has ended in another way."""
    if state.ended is not None and state.ended.status is ExecutionStatus.CANCELLED:
        return None
    _check_open(state)
    stop = state.stopping or state.failing
    return CancelRequested(by, reason) if stop is None else None


def signal(
    state: ExecutionState, name: str, payload: Mapping[str, Any], signal_id: str, by: str
) -> SignalReceived | None:
    """A named event. One whose id came before changes nothing. Raises Conflict for another event of the same key;
    NotFound where no step waits for events of this
    name; Conflict where the execution has ended or was sent too many; TooLarge; InvalidInput."""
    if _asked_before(state.signalled, signal_id):
        return None
    known = {step.event for step in state.steps.values() if step.type == "wait" and step.event is not None}
    if name not in known:
        told = ", ".join(sorted(known)) or "none"
        raise NotFound(f"No step of this execution waits for an event of that name; there are: {told}.")
    _check_open(state)
    if len(state.signalled) >= SIGNALS_MAX:
        raise Conflict(f"The execution was sent {SIGNALS_MAX} events, the most it takes.", code="too_many_signals")
    try:
        size = len(encode(payload))
    except NotEncodable as wrong:
        raise InvalidInput(f"The payload cannot be kept: {wrong}.") from None
    if size > PAYLOAD_MAX_BYTES:
        raise TooLarge(f"The payload has {size} bytes, {PAYLOAD_MAX_BYTES} are the most.")
    if state.signalled_bytes + size > SIGNALS_MAX_BYTES:
        told = f"The execution was sent events of {state.signalled_bytes} bytes: {SIGNALS_MAX_BYTES} are the most."
        raise Conflict(told, code="too_many_signals")
    return SignalReceived(name, payload, signal_id, by)


def retry(
    state: ExecutionState, by: str, run: str, what: Mapping[str, Any], now: float, *, request_id: str = ""
) -> ExecutionRetried | None:
    """Go on from a step of the definition's own block. A request that came before changes nothing, whatever became of
    it. Raises Conflict where the execution has not failed, where what was done is undone, where it was retried too
    often, or for another request of the same key; NotFound where that step never began; InvalidInput for values that
    the step does not have."""
    if request_id and _asked_before(state.retried, request_id):
        return None
    if state.ended is None or state.ended.status is ExecutionStatus.COMPLETED:
        raise Conflict("Only an execution that failed or was cancelled can be retried.", code="execution_not_failed")
    if run not in state.steps or run not in state.attempts:
        raise NotFound("No such step has run in this execution's own block.")
    if state.compensated:
        raise Conflict(
            "What the execution had done is undone: start the workflow again instead.", code="execution_compensated"
        )
    if state.retries >= RETRIES_MAX:
        raise Conflict(f"The execution was retried {RETRIES_MAX} times, the most it may be.", code="too_many_retries")
    edited(state.steps[run], what)
    return ExecutionRetried(by, run, what, now + state.definition.timeout_s, request_id)


def _asked_before(known: Mapping[str, str], request_id: str) -> bool:
    """Whether this very request came before. Raises Conflict where another one had its key."""
    before = known.get(request_key(request_id))
    if before is not None and before != request_id:
        raise Conflict("The idempotency key was used for another request: use a new key.")
    return before is not None


def _check_open(state: ExecutionState) -> None:
    if state.ended is not None:
        raise Conflict(f"The execution has ended: it is {state.ended.status}.", code="execution_ended")
