"""What a debate may still spend: the upper bound of an ask is reserved before it goes out, and settled by its answer.

Rules
- The bound of an ask is what two calls of its model can cost at most: its material and `max_output_tokens`, at the
  dearer of the prices of the agent and its fallback. The second call is the one repair, retry or fallback that an agent
  may make within it: the bound travels with the ask, and the agent makes no call that could pass it.
- An ask goes out while what was spent, what is reserved and its bound together stay within the budget. Where that is
  so for none, and none is on its way, one goes out all the same as long as the budget is neither spent nor held by
  answers that are late: so a debate always goes on, and overruns its budget by one ask at most.
- Agents that cost nothing are asked at once, also where the budget is spent.
- Asks that must wait go out as others are settled, in their order. Once the budget is spent or held, or their phase
  closes, they fail, unasked.
- An ask that missed its phase may be billed all the same: its reserve stays until its answer comes, late.
- An agent that is lost with an ask may have called its model: then the reserve counts as the cost, as an estimate.

A debate without a budget, or whose journal knows no prices, asks everything at once.
"""

from __future__ import annotations

from typing import Final

from aragora.debate.machine.briefs import brief_of
from aragora.debate.machine.state import DebateState, budget_spent
from aragora.debate.model import AgentFailed, Ask, Brief
from aragora.limits import BYTES_PER_TOKEN

BUDGET: Final = "budget_spent"
"""The code of a failure: the budget was spent before the agent was asked."""

CALLS: Final = 2
_FRAME_TOKENS: Final = 1_500  # the system prompt, the schema and the frames
_KNOWN_BYTES: Final = 240  # the frames of an offered item and of its dissent, and a bar before each of their lines
_MILLION: Final = 1_000_000


def admit(state: DebateState) -> None:
    """Let those asks of the open phase go out whose bound fits."""
    budget = state.spec.budget_usd
    if budget is None or not state.spec.prices:
        state.waiting = {}
        return
    held_back = False
    for ask_id in tuple(state.waiting):
        if state.open[ask_id].agent not in state.spec.prices:
            del state.waiting[ask_id]
            continue
        if held_back:
            continue
        bound = bound_usd(state, state.open[ask_id])
        committed = state.cost_usd + sum(state.reserved.values())
        held_back = committed + bound > budget and (_one_is_asked(state) or committed >= budget)
        if not held_back:
            del state.waiting[ask_id]
            state.reserved[ask_id] = bound


def refused(state: DebateState) -> tuple[AgentFailed, ...]:
    """The failures of asks that wait for money that will not come."""
    if not state.waiting:
        return ()
    if budget_spent(state):
        return _unasked(state, "was spent")
    return () if _one_is_asked(state) else _unasked(state, "is spent, or held for answers that are late")


def out_of_turn(state: DebateState) -> tuple[AgentFailed, ...]:
    """The failures of asks that still wait for the budget when their phase closes."""
    return _unasked(state, "allowed others first, and then its phase was over") if state.waiting else ()


def unanswered(state: DebateState) -> int:
    """How many asks have no reply and may be billed: those on their way, and those that missed their phase."""
    on_their_way = len(state.open) - len(state.waiting)
    return on_their_way + sum(ask_id in state.reserved for ask_id in state.late)


def bound_usd(state: DebateState, ask: Ask) -> float:
    """What `ask` can cost at most, in USD."""
    price = state.spec.prices.get(ask.agent)
    if price is None:
        return 0.0
    tokens = _FRAME_TOKENS + _size_bytes(brief_of(state, ask)) / BYTES_PER_TOKEN
    call = (tokens * price.input_usd_per_mtok + price.max_output_tokens * price.output_usd_per_mtok) / _MILLION
    return CALLS * call


def _unasked(state: DebateState, why: str) -> tuple[AgentFailed, ...]:
    told = f"it was not asked: the budget of {state.spec.budget_usd:g} USD {why}"
    asks = (state.open[ask_id] for ask_id in state.waiting)
    return tuple(AgentFailed(ask.round, ask.agent, ask.ask_id, BUDGET, told) for ask in asks)


def _one_is_asked(state: DebateState) -> bool:
    """Whether an ask of the open phase that costs something is on its way."""
    return any(ask_id in state.reserved for ask_id in state.open)


def _size_bytes(brief: Brief) -> int:
    texts = (
        brief.question,
        brief.context,
        brief.own,
        brief.challenge,
        *(candidate.text for candidate in brief.candidates),
        *brief.critiques,
        *brief.suggestions,
        *brief.options,
        *brief.checklist,
        *brief.priors,
        *brief.cruxes,
        *(text for known in brief.knowledge for text in (known.about, known.text, known.dissent)),
    )
    frames = _KNOWN_BYTES * len(brief.knowledge)
    return frames + sum(len(text.encode(errors="replace")) for text in texts)
