"""What follows a run that has ended: the next step of its block, the end of the block, or its failure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aragora.encoding import encode
from aragora.workflows.definition import ITEMS_MAX_BYTES, Decide, Loop, Parallel, Step
from aragora.workflows.machine.state import Block, ExecutionState, Over, Stop, Undo, block_of, names_in, step_of
from aragora.workflows.model import ExecutionStatus


def go_on(
    state: ExecutionState,
    key: str,
    step: Step,
    outcome: str,
    output: Mapping[str, Any],
    *,
    code: str = "",
    reason: str = "",
) -> None:
    """Change the state by the end of the run `key` of `step`: `outcome` is done, rejected, expired or failed, `output`
    what it gave; `code` and `reason` say why it has failed."""
    block = state.blocks.get(block_of(key))
    if block is None:
        return
    block.outputs.pop(step.id, None)
    block.outputs[step.id] = output
    block.last = output
    if outcome == "done" and step.compensate is not None:
        state.undos.append(Undo(key, step.compensate, names_in(state, block.key)))
    if outcome == "done":
        following = _branch(step, output) if isinstance(step, Decide) else step.next
    elif outcome in step.on:
        following = step.on[outcome]  # type: ignore[index]  # one of its keys, as it is in there
    elif step.optional:
        following = step.next
    else:
        _block_fails(state, block, code or outcome, reason or f"step {step.id} was {outcome}")
        return
    block.at = following
    if following is None:
        _block_done(state, block)


def _branch(step: Decide, output: Mapping[str, Any]) -> str | None:
    number = output.get("branch", -1)
    return step.branches[number].next if 0 <= number < len(step.branches) else step.next


def _block_done(state: ExecutionState, block: Block) -> None:
    run = state.runs.get(block.run)
    if run is None:  # the root: the execution is done
        return
    step, number = state.steps[run.step], int(step_of(block.key))
    run.results[number] = block.last
    if isinstance(step, Parallel) and step.wait_for == "first":
        state.over.setdefault(run.key, Over(first=step.blocks[number]))
    if isinstance(step, Loop):  # its condition sees what the round gave
        return
    if not isinstance(step, Parallel):
        del state.blocks[block.key]
        run.results_bytes += len(encode(block.last))
        if run.results_bytes > ITEMS_MAX_BYTES:
            reason = f"what the items of step {step.id} gave is larger than {ITEMS_MAX_BYTES} bytes"
            state.over.setdefault(run.key, Over(code="too_large", reason=reason))


def _block_fails(state: ExecutionState, block: Block, code: str, reason: str) -> None:
    block.at = None
    run = state.runs.get(block.run)
    if run is None:
        if state.failing is None:
            state.failing = Stop(ExecutionStatus.FAILED, code, reason)
        return
    step = state.steps[run.step]
    if isinstance(step, Parallel) and step.wait_for == "first":
        del state.blocks[block.key]
        others = any(one.run == run.key for one in state.blocks.values())
        if others or run.key in state.over:
            return
    state.over.setdefault(run.key, Over(code=code, reason=reason))
