from __future__ import annotations

import pytest

from aragora.debate.counted import counters_of
from aragora.debate.model import (
    AgentFailed,
    AnswerGiven,
    AskKind,
    CritiqueGiven,
    DebateEnded,
    DebateOpened,
    DebateSpec,
    DebateStatus,
    Event,
    Fallback,
    FallbackUsed,
    Protocol,
    RoundStarted,
    Usage,
    VoteCast,
)
from aragora.observability.metrics import ANSWER_BUCKETS, BY_NAME
from aragora.observability.samples import CounterDelta, observation

AGENT = (("agent", "claude"),)
USAGE = Usage("anthropic", "claude", 100, 20, 0.01, 0.7)

ANSWERS = [
    AnswerGiven(1, "claude", "a", AskKind.PROPOSE, "yes", 0.5, (), USAGE),
    CritiqueGiven(1, "claude", "gpt", "a", (), (), 0.5, USAGE),
    VoteCast(1, "claude", "a", AskKind.VOTE, "gpt", 0.5, "", (), USAGE),
]


@pytest.mark.parametrize("event", ANSWERS)
def test_every_kind_of_answer_counts_its_latency_and_its_tokens(event: Event) -> None:
    assert counters_of(event) == (
        CounterDelta("aragora_agent_latency_seconds_bucket", (*AGENT, ("le", "1.0")), 1.0),
        CounterDelta("aragora_agent_latency_seconds_count", AGENT, 1.0),
        CounterDelta("aragora_agent_latency_seconds_sum", AGENT, 0.7),
        CounterDelta("aragora_agent_tokens_total", AGENT, 120.0),
    )


@pytest.mark.parametrize("latency", [0.0, *ANSWER_BUCKETS, 0.07, 119.9, 120.1, 1e9])
def test_the_fast_path_picks_the_buckets_that_samples_picks(latency: float) -> None:
    event = AnswerGiven(1, "claude", "a", AskKind.PROPOSE, "yes", 0.5, (), Usage("p", "m", latency_s=latency))
    assert set(counters_of(event)) == set(observation(BY_NAME["aragora_agent_latency_seconds"], AGENT, latency))


def test_a_failure_counts_by_code_and_what_was_paid_all_the_same() -> None:
    error = CounterDelta("aragora_agent_errors_total", (*AGENT, ("code", "timeout")), 1.0)
    assert counters_of(AgentFailed(1, "claude", "a", "timeout", "late")) == (error,)
    assert counters_of(AgentFailed(1, "claude", "a", "timeout", "late", USAGE)) == (
        error,
        CounterDelta("aragora_agent_tokens_total", AGENT, 120.0),
    )


@pytest.mark.parametrize(("succeeded", "outcome"), [(True, "success"), (False, "failure")])
def test_a_fallback_counts_itself_its_outcome_and_its_latency(succeeded: bool, outcome: str) -> None:
    fallback = Fallback("openai", "openrouter", "openai/gpt", "rate_limited", 3.0)
    assert counters_of(FallbackUsed(1, "gpt", "a", fallback, succeeded)) == (
        CounterDelta("aragora_fallback_activations_total", (), 1.0),
        CounterDelta("aragora_fallback_success_total", (("outcome", outcome),), 1.0),
        CounterDelta("aragora_fallback_latency_seconds_bucket", (("le", "5.0"),), 1.0),
        CounterDelta("aragora_fallback_latency_seconds_sum", (), 3.0),
        CounterDelta("aragora_fallback_latency_seconds_count", (), 1.0),
    )


@pytest.mark.parametrize(
    ("status", "samples"),
    [
        (DebateStatus.COMPLETED, ["aragora_debates_completed"]),
        (DebateStatus.FAILED, ["aragora_debates_failed"]),
        (DebateStatus.CANCELLED, []),
    ],
)
def test_an_end_counts_by_its_status(status: DebateStatus, samples: list[str]) -> None:
    assert [delta.sample for delta in counters_of(DebateEnded(status, "because"))] == samples


def test_an_opening_counts_and_a_round_does_not() -> None:
    opened = DebateOpened(DebateSpec("deb_1", "?", ("claude",), Protocol("structured"), 1))
    assert counters_of(opened) == (CounterDelta("aragora_debates_total", (), 1.0),)
    assert counters_of(RoundStarted(1, ("claude",))) == ()
