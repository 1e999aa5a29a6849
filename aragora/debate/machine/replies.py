"""What a reply of an agent becomes: the events it causes, with labels turned back into names.

A reply to an ask that is unknown, late or already settled causes nothing. An answer of the wrong shape, or a vote
for a label that was not on the ballot, is a failure of the agent with the code `malformed_answer`.

A number of its usage that cannot be true counts as 0: sums of such numbers would poison the debate's cost, its receipt
and the figures. Agents check before that what their providers tell; this is for those that do not. Where the usage is
lost with the agent or its answer, what was reserved for the ask counts as its cost, as an estimate.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from aragora import limits
from aragora.debate.machine.citations import citations
from aragora.debate.machine.readers import named, ranked, shuffled
from aragora.debate.machine.state import DebateState, answer_holders
from aragora.debate.model import (
    AGENT_LOST,
    MALFORMED_ANSWER,
    Abstained,
    Abstention,
    AgentAnswer,
    AgentFailed,
    AgentFailure,
    AnswerGiven,
    AnswersGrouped,
    Ask,
    AskKind,
    Ballot,
    Critique,
    CritiqueGiven,
    Event,
    FallbackUsed,
    Grouping,
    KnowledgeCited,
    LateAnswer,
    Proposal,
    Reply,
    Usage,
    VoteCast,
)

MOST_TOKENS: Final = limits.REPLY_MAX_TOKENS
MOST_COST_USD: Final = limits.REPLY_MAX_USD
MOST_LATENCY_S: Final = 1e6
"""What one answer can take at most. Ten thousand of them still add up exactly, in JSON and in 64 bits."""


def settle(state: DebateState, reply: Reply) -> tuple[Event, ...]:
    """The events `reply` causes; () where its ask is unknown or settled. Does not change `state`.

    They are the answer or failure of the ask, with a fallback before it and what it cites behind it.
    Apply them before settling the next reply: a repeated one then finds its ask closed.
    """
    ask = state.open.get(reply.ask_id)
    if ask is None:
        return _late(state, reply)
    if reply.usage is None:
        reply = replace(reply, usage=_lost(state, reply))
    elif not _believable(reply.usage):
        reply = replace(reply, usage=_believed(reply.usage))
    if isinstance(reply, AgentFailure):
        event: Event = AgentFailed(ask.round, ask.agent, ask.ask_id, reply.code, reply.message, reply.usage)
    else:
        event = _answered(state, ask, reply)
    cited = _cited(state, event)
    if reply.fallback is None:
        return event, *cited
    succeeded = not isinstance(reply, AgentFailure)
    return FallbackUsed(ask.round, ask.agent, ask.ask_id, reply.fallback, succeeded), event, *cited


def _late(state: DebateState, reply: Reply) -> tuple[Event, ...]:
    """What an answer cost that comes after its phase: until the debate ends, that still counts. Where it cost nothing,
    its reserve must not stay."""
    ask = state.late.get(reply.ask_id)
    if ask is None or state.decision is not None or state.ended is not None:
        return ()
    usage = reply.usage or _lost(state, reply) or (_NOTHING if ask.ask_id in state.reserved else None)
    return () if usage is None else (LateAnswer(ask.round, ask.agent, ask.ask_id, _believed(usage)),)


def _lost(state: DebateState, reply: AgentFailure | AgentAnswer) -> Usage | None:
    """What an ask may have cost whose usage is lost: as much as was reserved for it. None where nothing was, or the
    agent itself says that it paid nothing."""
    reserved_usd = state.reserved.get(reply.ask_id)
    if reserved_usd is None or not isinstance(reply, AgentFailure) or reply.code not in _USAGE_LOST:
        return None
    return replace(_NOTHING, cost_usd=reserved_usd, estimated=True)


def _answered(state: DebateState, ask: Ask, reply: AgentAnswer) -> Event:
    match reply.content:
        case Critique() as critique:
            return _criticised(ask, reply, critique)
        case Proposal() as proposal:
            return _proposed(state, ask, reply, proposal)
        case Ballot() as ballot:
            return _voted(state, ask, reply, ballot)
        case Grouping() as grouping:
            return _grouped(state, ask, reply, grouping)
        case Abstention() as abstention:
            return _abstained(ask, reply, abstention)


def _proposed(state: DebateState, ask: Ask, reply: AgentAnswer, content: Proposal) -> Event:
    if ask.kind not in _PROPOSING or not content.text.strip():
        return _malformed(ask, reply, f"{ask.kind} was answered by a proposal, or by an empty one")
    options = state.spec.options
    if options and content.option not in options:
        return _malformed(ask, reply, f"{content.option[:40]!r} is none of the options: {', '.join(options)}")
    return AnswerGiven(
        ask.round,
        ask.agent,
        ask.ask_id,
        ask.kind,
        content.text,
        _unit(content.confidence),
        content.evidence,
        reply.usage,
        reply.fallback,
        content.option if options else "",
        reply.remarks,
    )


def _cited(state: DebateState, event: Event) -> tuple[KnowledgeCited, ...]:
    """What an answer cites of what the debate was offered. Where none was looked for, a label means nothing."""
    if state.offered is None or not isinstance(event, AnswerGiven):
        return ()
    found = citations(event.content, event.evidence, {item.label for item in state.offered.items})
    if not found:
        return ()
    return (KnowledgeCited(event.round, event.agent, event.ask_id, found.labels, found.unknown),)


def _criticised(ask: Ask, reply: AgentAnswer, content: Critique) -> Event:
    if ask.kind is not AskKind.CRITIQUE or ask.target is None:
        return _malformed(ask, reply, f"{ask.kind} was answered by a critique")
    return CritiqueGiven(
        ask.round,
        ask.agent,
        ask.target,
        ask.ask_id,
        content.issues,
        content.suggestions,
        _unit(content.severity),
        reply.usage,
        reply.fallback,
        reply.remarks,
    )


def _voted(state: DebateState, ask: Ask, reply: AgentAnswer, content: Ballot) -> Event:
    if ask.kind not in _VOTING:
        return _malformed(ask, reply, f"{ask.kind} was answered by a vote")
    order = shuffled(state.ballot, state.spec.seed, ask)
    choice = named(content.choice, order)
    if choice is None:
        return _malformed(ask, reply, f"{content.choice[:40]!r} is not a label of the ballot")
    ranking: tuple[str, ...] = ()
    if ask.kind is AskKind.RANK:
        ranking = ranked((content.choice, *content.ranking), order)
    return VoteCast(
        ask.round,
        ask.agent,
        ask.ask_id,
        ask.kind,
        choice,
        _unit(content.confidence),
        content.reason,
        ranking,
        reply.usage,
        reply.fallback,
        reply.remarks,
    )


def _grouped(state: DebateState, ask: Ask, reply: AgentAnswer, content: Grouping) -> Event:
    if ask.kind is not AskKind.GROUP:
        return _malformed(ask, reply, f"{ask.kind} was answered by a grouping")
    order = shuffled(answer_holders(state), state.spec.seed, ask)
    groups = tuple(tuple(named(label, order) or "" for label in group) for group in content.groups if group)
    members = [name for group in groups for name in group]
    if sorted(members) != sorted(order):
        return _malformed(ask, reply, "the groups do not hold each answer once")
    return AnswersGrouped(
        ask.round, ask.agent, ask.ask_id, groups, content.reason, reply.usage, reply.fallback, reply.remarks
    )


def _abstained(ask: Ask, reply: AgentAnswer, content: Abstention) -> Event:
    if ask.kind is AskKind.GROUP:
        return _malformed(ask, reply, "the answers were not grouped")
    reason = content.reason.strip() or "it gave no reason"
    return Abstained(ask.round, ask.agent, ask.ask_id, ask.kind, reason, reply.usage, reply.fallback, reply.remarks)


def _malformed(ask: Ask, reply: AgentAnswer, message: str) -> Event:
    return AgentFailed(ask.round, ask.agent, ask.ask_id, MALFORMED_ANSWER, message, reply.usage)


def _believable(usage: Usage) -> bool:
    return (
        0 <= usage.input_tokens <= MOST_TOKENS
        and 0 <= usage.output_tokens <= MOST_TOKENS
        and 0.0 <= usage.cost_usd <= MOST_COST_USD
        and 0.0 <= usage.latency_s <= MOST_LATENCY_S
    )


def _believed(usage: Usage) -> Usage:
    """`usage` with 0 for each number that cannot be true, NaN among them."""
    return replace(
        usage,
        input_tokens=usage.input_tokens if 0 <= usage.input_tokens <= MOST_TOKENS else 0,
        output_tokens=usage.output_tokens if 0 <= usage.output_tokens <= MOST_TOKENS else 0,
        cost_usd=usage.cost_usd if 0.0 <= usage.cost_usd <= MOST_COST_USD else 0.0,
        latency_s=usage.latency_s if 0.0 <= usage.latency_s <= MOST_LATENCY_S else 0.0,
    )


def _unit(number: float) -> float:
    """`number` within 0..1; what is not a number counts as 0."""
    return min(1.0, max(0.0, number))


_NOTHING: Final = Usage("", "", 0, 0, 0.0)
_USAGE_LOST: Final = frozenset({AGENT_LOST, MALFORMED_ANSWER})
_PROPOSING = frozenset({AskKind.PROPOSE, AskKind.REVISE, AskKind.CHALLENGE, AskKind.SYNTHESIZE})
_VOTING = frozenset({AskKind.VOTE, AskKind.RANK, AskKind.JUDGE})
