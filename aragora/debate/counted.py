"""What each debate event adds to the durable counters. Pure, and on the hot path of every answer.

The deltas are written in the transaction that writes the event, so a figure is exact whatever dies. Deltas that do
not depend on a measured value are made once and shared.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from aragora.debate.knowledge import NotOffered
from aragora.debate.machine.replies import MOST_LATENCY_S
from aragora.debate.model import (
    Abstained,
    AgentFailed,
    AnswerGiven,
    AnswersGrouped,
    CritiqueGiven,
    DebateEnded,
    DebateOpened,
    DebateStatus,
    Event,
    FallbackUsed,
    KnowledgeCited,
    KnowledgeOffered,
    LateAnswer,
    Replied,
    Usage,
    VoteCast,
)
from aragora.observability.metrics import BY_NAME
from aragora.observability.samples import CounterDelta, Labels, bucket_label, observation

_LATENCY: Final = BY_NAME["aragora_agent_latency_seconds"]
_FALLBACK_LATENCY: Final = BY_NAME["aragora_fallback_latency_seconds"]
_AGENTS_CACHED: Final = 4096  # agents come from the catalog: far fewer

_OPENED: Final = (CounterDelta("aragora_debates_total", (), 1.0),)
_ENDED: Final[dict[DebateStatus, tuple[CounterDelta, ...]]] = {
    DebateStatus.COMPLETED: (CounterDelta("aragora_debates_completed", (), 1.0),),
    DebateStatus.FAILED: (CounterDelta("aragora_debates_failed", (), 1.0),),
}
_LOOKED: Final = {
    outcome: CounterDelta("aragora_km_looks_total", (("outcome", outcome),), 1.0)
    for outcome in ("offered", *NotOffered)
}
_FALLBACK: Final = CounterDelta("aragora_fallback_activations_total", (), 1.0)
_OUTCOME: Final = {
    True: CounterDelta("aragora_fallback_success_total", (("outcome", "success"),), 1.0),
    False: CounterDelta("aragora_fallback_success_total", (("outcome", "failure"),), 1.0),
}


def counters_of(event: Event) -> tuple[CounterDelta, ...]:
    """The increments that `event` causes; () for events that count nothing."""
    count = _COUNTING.get(type(event))
    return () if count is None else count(event)


def reuse_of(items: int) -> tuple[CounterDelta, ...]:
    """The increment where the winning answer of a debate cites `items` items of other debates."""
    return (CounterDelta("aragora_km_cross_debate_reuse_total", (), float(items)),) if items else ()


class _Series:
    """The series of one agent; `counts[i]` are the bucket and the count of an answer that falls into bucket i."""

    __slots__ = ("counts", "labels")

    def __init__(self, agent: str) -> None:
        self.labels: Labels = (("agent", agent),)
        count = CounterDelta(f"{_LATENCY.name}_count", self.labels, 1.0)
        self.counts = tuple(
            (CounterDelta(f"{_LATENCY.name}_bucket", (*self.labels, ("le", bucket_label(bound))), 1.0), count)
            for bound in (*_LATENCY.buckets, float("inf"))
        )


_series = lru_cache(maxsize=_AGENTS_CACHED)(_Series)


@lru_cache(maxsize=_AGENTS_CACHED)
def _error(agent: str, code: str) -> CounterDelta:
    return CounterDelta("aragora_agent_errors_total", (("agent", agent), ("code", code)), 1.0)


def _answered(event: Replied) -> tuple[CounterDelta, ...]:
    series, latency = _series(event.agent), event.usage.latency_s
    return (
        *series.counts[bisect_left(_LATENCY.buckets, latency)],
        CounterDelta("aragora_agent_latency_seconds_sum", series.labels, latency),
        *_tokens(series.labels, event.usage),
    )


def _late(event: LateAnswer) -> tuple[CounterDelta, ...]:
    return _tokens(_series(event.agent).labels, event.usage)


def _failed(event: AgentFailed) -> tuple[CounterDelta, ...]:
    paid = () if event.usage is None else _tokens(_series(event.agent).labels, event.usage)
    return (_error(event.agent, event.code), *paid)


def _tokens(labels: Labels, usage: Usage) -> tuple[CounterDelta, ...]:
    tokens = usage.input_tokens + usage.output_tokens
    return (CounterDelta("aragora_agent_tokens_total", labels, float(tokens)),) if tokens else ()


def _fell_back(event: FallbackUsed) -> tuple[CounterDelta, ...]:
    latency = event.fallback.latency_s
    believed = latency if 0.0 <= latency <= MOST_LATENCY_S else 0.0  # as that of a usage: the counter would be spoiled
    return (_FALLBACK, _OUTCOME[event.succeeded], *observation(_FALLBACK_LATENCY, (), believed))


def _offered(event: KnowledgeOffered) -> tuple[CounterDelta, ...]:
    looked = _LOOKED["offered" if event.why is None else event.why]
    count = float(len(event.items))
    return (looked, CounterDelta("aragora_km_items_offered_total", (), count)) if count else (looked,)


def _cited(event: KnowledgeCited) -> tuple[CounterDelta, ...]:
    count = float(len(event.labels))
    return (CounterDelta("aragora_km_items_cited_total", (), count),) if count else ()


def _opened(_event: DebateOpened) -> tuple[CounterDelta, ...]:
    return _OPENED


def _ended(event: DebateEnded) -> tuple[CounterDelta, ...]:
    return _ENDED.get(event.status, ())


_COUNTING: Final[dict[type, Callable[[Any], tuple[CounterDelta, ...]]]] = {
    DebateOpened: _opened,
    KnowledgeOffered: _offered,
    KnowledgeCited: _cited,
    AnswerGiven: _answered,
    CritiqueGiven: _answered,
    VoteCast: _answered,
    AnswersGrouped: _answered,
    Abstained: _answered,
    AgentFailed: _failed,
    LateAnswer: _late,
    FallbackUsed: _fell_back,
    DebateEnded: _ended,
}
