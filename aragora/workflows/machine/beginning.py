"""How a step begins: its values with every text filled in, what it may cost, and when its time is over.

A step whose values cannot be filled in has failed; that is an event like another, and is not tried again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from hashlib import blake2b
from typing import Any, Final

from aragora.debate.budget import micros_of
from aragora.encoding import encode, to_plain
from aragora.workflows.definition import (
    DEPTH_MAX,
    LIFE_MAX_S,
    PAYLOAD_MAX_BYTES,
    STEP_RUNS_MAX,
    Approval,
    Common,
    Decide,
    Loop,
    Map,
    Parallel,
    Step,
    Wait,
)
from aragora.workflows.expression_values import Budget
from aragora.workflows.expressions import ExpressionError, compiled, condition, evaluate
from aragora.workflows.filling import as_text, filled_all
from aragora.workflows.machine.state import PAID, ExecutionState, reserved
from aragora.workflows.model import Event, StepCompleted, StepFailed, StepStarted
from aragora.workflows.moments import moment_of

UNDO_S: Final = 3_600.0
"""A step that compensates has failed after that, where it says nothing else."""
_ANY: Final = frozenset({"payload", "inputs", "details"})
"""What steps hand on as it is."""
_SHARED: Final = frozenset({field.name for field in fields(Common)} | {"type"})


class Held(Exception):
    """Raised for a step that may begin only once others have given back what they hold of the budget."""


def begin(state: ExecutionState, run: str, step: Step, names: Mapping[str, Any], now: float) -> Event:
    """The event with which a run begins, or is over at once. Raises Held."""
    attempt = state.attempts.get(run, 0) + 1
    assert state.started is not None, "the execution has begun"
    ask_id = ask_id_of(state.started.execution_id, run, attempt)
    if state.step_runs >= STEP_RUNS_MAX:
        return StepFailed(run, ask_id, "too_many_steps", f"the execution ran {STEP_RUNS_MAX} steps, the most it may")
    try:
        if isinstance(step, Decide):
            return StepCompleted(run, ask_id, {"branch": _branch(step, names)})
        what, due_at = _values(step, names, now)
    except ExpressionError as wrong:
        return StepFailed(run, ask_id, "expression", f"step {step.id}: {wrong}")
    budget = _budget(state, getattr(step, "budget_usd", None)) if step.type in PAID else None
    refused = _refused(state, step, what, budget)
    if refused is not None:
        return StepFailed(run, ask_id, *refused)
    return StepStarted(
        run, step.id, step.type, attempt, ask_id, what, budget, _times_out_at(state, run, step, now), due_at
    )


def ask_id_of(execution_id: str, run: str, attempt: int) -> str:
    """The id of an ask: a function of what is asked, so that a crash never makes a second one of it."""
    return f"ask_{blake2b(f'{execution_id} {run} {attempt}'.encode(), digest_size=16).hexdigest()}"


def pause_s(step: Step, attempt: int, ask_id: str) -> float:
    """The pause after attempt number `attempt` failed: exponential backoff with jitter, between half of it and all. The
    chance comes from the ask's id, so that a replay has the same."""
    retry = step.retry
    whole = min(retry.pause_max_s, retry.pause_s * retry.factor ** min(attempt - 1, 64))
    share = int.from_bytes(blake2b(ask_id.encode(), digest_size=4).digest()) / 2**32
    return whole * (0.5 + share / 2)


def _times_out_at(state: ExecutionState, run: str, step: Step, now: float) -> float | None:
    known = state.runs.get(run)
    if known is not None:  # its time is over all attempts
        return known.times_out_at
    limit_s = step.timeout_s
    if limit_s is None and state.stopping is not None:  # the execution's own time bounds it no more
        limit_s = UNDO_S
    return None if limit_s is None else now + limit_s


def _refused(state: ExecutionState, step: Step, what: Mapping[str, Any], budget: int | None) -> tuple[str, str] | None:
    """Why a step may not begin: a code, and words. Raises Held."""
    assert state.started is not None, "the execution has begun"
    if len(encode(what)) > PAYLOAD_MAX_BYTES:
        return "too_large", f"what step {step.id} is given is larger than {PAYLOAD_MAX_BYTES} bytes"
    if step.type == "workflow" and state.started.depth >= DEPTH_MAX:
        return "too_deep", f"workflows start each other {DEPTH_MAX} deep at most"
    if budget is not None and budget <= 0:
        if reserved(state) > 0:
            raise Held
        return "budget", "the budget of the execution is spent"
    return None


def _branch(step: Decide, names: Mapping[str, Any]) -> int:
    shared = Budget()
    for number, branch in enumerate(step.branches):
        if condition(compiled(branch.when), names, shared):
            return number
    return -1


def _values(step: Step, names: Mapping[str, Any], now: float) -> tuple[Mapping[str, Any], float | None]:
    """What the step needs, and when it is due. Raises ExpressionError."""
    if isinstance(step, Map):
        return {"items": _items(step, names)}, None
    if isinstance(step, Parallel | Loop):
        return {}, None
    if isinstance(step, Wait):
        return _waiting(step, names, now)
    if isinstance(step, Approval):
        own: dict[str, Any] = {"title": step.title or step.id, "shows": dict(step.shows)}
    else:
        own = {name: value for name, value in to_plain(step).items() if name not in _SHARED}
    given = {}
    if isinstance(own.get("options"), str):  # an expression: what it gives is no text to be filled in
        given = {"options": _options(own.pop("options"), names)}
    filled: dict[str, Any] = filled_all(own, names)
    texts = {name: value if name in _ANY else _as_texts(own[name], value) for name, value in filled.items()}
    return {**texts, **given}, None


def _options(text: str, names: Mapping[str, Any]) -> list[str]:
    options = evaluate(compiled(text), names)
    if not isinstance(options, list):
        raise ExpressionError("its options are no list")
    return [as_text(one) for one in options]


def _as_texts(written: Any, filled: Any) -> Any:
    """What was filled in, with a text wherever one was written: only where a step takes whatever it is given does an
    expression that stands alone keep its type."""
    if isinstance(written, str):
        return as_text(filled)
    if isinstance(written, Mapping):
        return {name: _as_texts(written[name], value) for name, value in filled.items()}
    if isinstance(written, list | tuple):
        return [_as_texts(each, value) for each, value in zip(written, filled, strict=True)]
    return filled


def _items(step: Map, names: Mapping[str, Any]) -> list[Any]:
    items = evaluate(compiled(step.over), names)
    if not isinstance(items, list):
        raise ExpressionError(f"{step.over!r} gives no list")
    if len(items) > step.items_max:
        raise ExpressionError(f"{step.over!r} gives {len(items)} items, {step.items_max} are the most")
    return items


def _waiting(step: Wait, names: Mapping[str, Any], now: float) -> tuple[Mapping[str, Any], float | None]:
    if step.for_s is not None:
        return {"for_s": step.for_s}, now + step.for_s
    if step.event is not None:
        return {"event": step.event}, None if step.expires_s is None else now + step.expires_s
    until = filled_all(step.until, names)
    at = moment_of(until)
    if at is None or not math.isfinite(at) or at > now + LIFE_MAX_S:
        raise ExpressionError(f"{str(until)[:100]!r} is no moment within {LIFE_MAX_S / 86_400:.0f} days")
    return {"until": at}, max(at, now)


def _budget(state: ExecutionState, wanted_usd: float | None) -> int | None:
    """Micro-dollars that a step may cost at most; None: as the server says."""
    wanted = None if wanted_usd is None else micros_of(wanted_usd)
    assert state.started is not None, "the execution has begun"
    cap = state.started.budget_micros
    if cap is None:
        return wanted
    left = cap - state.cost_micros - reserved(state)
    return left if wanted is None else min(wanted, left)
