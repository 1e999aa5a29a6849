from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from worlds.memory_engine import head_after

from aragora.debate.model import (
    AgentFailed,
    AnswerGiven,
    AskKind,
    ConsensusMode,
    ConsensusReached,
    CritiqueGiven,
    DebateOpened,
    DebateSpec,
    Decision,
    Dissent,
    Event,
    Fallback,
    FallbackUsed,
    Protocol,
    RoundStarted,
    Tally,
    Usage,
    VoteCast,
)
from aragora.debate.records import GENESIS, ReceiptRecord
from aragora.receipts.closing import issue
from aragora.receipts.receipt import ReceiptDraft, summary_of
from aragora.receipts.signing import Signer

AGENTS = ("claude", "gpt", "gemini", "mistral")


@pytest.fixture
def signer() -> Signer:
    return Signer.from_seed(bytes(range(32)))


@pytest.fixture
def spec() -> DebateSpec:
    return DebateSpec(
        debate_id="deb_1",
        question="Shall we use <b>Postgres</b> | or SQLite?",
        agents=AGENTS,
        protocol=Protocol(name="structured"),
        seed=2**80 + 1,
        context="A team of four.",
        org_id="org_1",
        created_by="ada",
    )


@pytest.fixture
def decision() -> Decision:
    return Decision(
        reached=True,
        answer="Postgres, because several writers share it. " * 12,
        winner="claude",
        confidence=0.8125,
        mode=ConsensusMode.MAJORITY,
        tallies=(
            Tally("claude", 3, 2.5, ("claude", "gpt", "gemini")),
            Tally("mistral", 1, 0.5, ("mistral",)),
        ),
        dissent=(Dissent("mistral", "mistral", "One file is <simpler> to back up."),),
        rounds=3,
        cost_usd=0.0123,
        stopped_by="rounds",
    )


@pytest.fixture
def events(spec: DebateSpec, decision: Decision) -> list[Event]:
    return debate_events(spec, decision)


def debate_events(spec: DebateSpec, decision: Decision) -> list[Event]:
    """Three rounds of four answers and twelve critiques, then four votes; one failure and one fallback."""
    happened: list[Event] = [DebateOpened(spec)]
    for number in (1, 2, 3):
        happened.append(RoundStarted(number, spec.agents))
        for agent in spec.agents:
            usage = Usage(f"{agent}-provider", f"{agent}-model", 100, 20, 0.0002, 0.5)
            ask = f"{number}.propose.{agent}"
            happened.append(
                AnswerGiven(number, agent, ask, AskKind.PROPOSE, f"{agent} says {number}. " * 25, 0.7, (), usage)
            )
            happened.extend(
                CritiqueGiven(number, agent, other, f"{number}.critique.{agent}.{other}", ("vague",), (), 0.4, usage)
                for other in spec.agents
                if other != agent
            )
    fallback = Fallback("gpt-provider", "openrouter", "openai/gpt", "rate_limited", 0.2)
    happened.append(FallbackUsed(3, "gpt", "vote.gpt", fallback, succeeded=True))
    happened.append(AgentFailed(3, "gemini", "late", "deadline", "no answer in time", None))
    happened.extend(
        VoteCast(
            3, agent, f"vote.{agent}", AskKind.VOTE, "claude", 0.9, "clear", (), Usage(f"{agent}-provider", "m", 10, 5)
        )
        for agent in spec.agents
    )
    happened.append(ConsensusReached(3, decision))
    return happened


@pytest.fixture
def draft(spec: DebateSpec, decision: Decision, events: list[Event]) -> ReceiptDraft:
    return ReceiptDraft(
        "rcp_1",
        spec,
        decision,
        summary_of(events),
        journal_digest="ab" * 32,
        journal_length=len(events),
        opened_at=1_700_000_000.25,
        issued_at=1_700_000_012.5,
    )


@pytest.fixture
def record(draft: ReceiptDraft, signer: Signer) -> ReceiptRecord:
    return issue(draft, GENESIS, signer)


@pytest.fixture
def document(record: ReceiptRecord) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(record.document)
    return loaded


@pytest.fixture
def chain_of(draft: ReceiptDraft, signer: Signer) -> Callable[[int], list[dict[str, Any]]]:
    def build(length: int) -> list[dict[str, Any]]:
        head, documents = GENESIS, []
        for _ in range(length):
            record = issue(draft, head, signer)
            documents.append(json.loads(record.document))
            head = head_after(record)
        return documents

    return build
