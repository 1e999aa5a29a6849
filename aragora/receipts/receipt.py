"""What a receipt says: each agent's part in the debate, and the draft of the document. Pure.

A draft is everything the receipt will say before its place in the chain and its signature are known.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from aragora import encoding
from aragora.debate.knowledge import NotOffered, OfferedItem
from aragora.debate.model import (
    Abstained,
    AgentFailed,
    AnswerGiven,
    DebateOpened,
    DebateSpec,
    DebateStatus,
    Decision,
    Event,
    Fallback,
    FallbackUsed,
    KnowledgeCited,
    KnowledgeOffered,
    LateAnswer,
    Replied,
    Usage,
)
from aragora.receipts.canonical import text_digest

SCHEMA: Final = "aragora.receipt/1"
FORGETTING: Final = "aragora.forgetting/1"
"""The schema of a certificate that something was forgotten, a link of the same chain."""
EXECUTION: Final = "aragora.execution/1"
"""The schema of the receipt of an execution of a workflow, a link of the same chain."""
SCHEMAS: Final = (SCHEMA, FORGETTING, EXECUTION)
"""Of everything that stands in the chain."""


@dataclass(frozen=True, slots=True)
class FallbackCount:
    """How often an agent answered, or tried to, through another provider, and why."""

    from_provider: str
    to_provider: str
    model: str
    reason: str
    succeeded: int
    failed: int


@dataclass(frozen=True, slots=True)
class AgentPart:
    """One agent's part in a debate. Provider and model are those of its last answer; None where it gave none."""

    name: str
    provider: str | None
    model: str | None
    answers: int
    failures: int
    input_tokens: int
    output_tokens: int
    cost_usd: float
    latency_s: float  # all its answers together
    answer_sha256: str | None  # of its final answer to the question
    fallbacks: tuple[FallbackCount, ...] = ()
    abstentions: int = 0  # of its answers, those that gave none
    estimated_usd: float = 0.0  # the part of its cost that no provider counted


@dataclass(frozen=True, slots=True)
class DebateSummary:
    """The parts in the order in which the agents were named."""

    agents: tuple[AgentPart, ...]


def summary_of(events: Iterable[Event]) -> DebateSummary:
    """What each agent contributed and cost, from the events of one debate in the order of their seq."""
    running: dict[str, _Running] = {}
    for event in events:
        if isinstance(event, Replied):
            agent = running.setdefault(event.agent, _Running())
            agent.answers += 1
            agent.abstentions += isinstance(event, Abstained)
            agent.provider, agent.model = event.usage.provider, event.usage.model
            agent.pay(event.usage)
            if isinstance(event, AnswerGiven):
                agent.answer = event.content
        elif isinstance(event, AgentFailed):
            agent = running.setdefault(event.agent, _Running())
            agent.failures += 1
            if event.usage is not None:
                agent.pay(event.usage)
        elif isinstance(event, LateAnswer):
            running.setdefault(event.agent, _Running()).pay(event.usage)
        elif isinstance(event, FallbackUsed):
            running.setdefault(event.agent, _Running()).fall_back(event.fallback, succeeded=event.succeeded)
        elif isinstance(event, DebateOpened):
            running.update({name: _Running() for name in event.spec.agents})
    return DebateSummary(tuple(agent.part(name) for name, agent in running.items()))


@dataclass(frozen=True, slots=True)
class OfferedPart:
    """An offered item in a receipt: which version of it, where it came from, and which agents cited it. `grounds`:
    the answer that stands cites it. Its text stands in the journal alone; `digest` is the SHA-256 of it."""

    label: str
    item_id: str
    version: int
    digest: str
    kind: str
    disputed: bool
    source_debate_id: str
    source_receipt_id: str
    source_receipt_hash: str
    cited_by: tuple[str, ...]
    grounds: bool


@dataclass(frozen=True, slots=True)
class KnowledgePart:
    """What a debate was offered, or why nothing; and which labels its answers cite that nobody was offered."""

    offered: tuple[OfferedPart, ...]
    why: NotOffered | None
    unknown: tuple[str, ...] = ()


def knowledge_of(events: Iterable[Event], grounds: Iterable[OfferedItem] = ()) -> KnowledgePart | None:
    """What a debate was offered and what its answers cite of it, from its events in the order of their seq; None where
    it looked for nothing. `grounds` are the items that the answer which stands cites."""
    offer: KnowledgeOffered | None = None
    cited_by: dict[str, dict[str, None]] = {}
    unknown: dict[str, None] = {}
    for event in events:
        if isinstance(event, KnowledgeOffered):
            offer = offer or event
        elif isinstance(event, KnowledgeCited):
            unknown.update(dict.fromkeys(event.unknown))
            for label in event.labels:
                cited_by.setdefault(label, {})[event.agent] = None
    if offer is None:
        return None
    standing = {item.label for item in grounds}
    parts = (_offered(item, tuple(cited_by.get(item.label, ())), item.label in standing) for item in offer.items)
    return KnowledgePart(tuple(parts), offer.why, tuple(unknown))


def _offered(item: OfferedItem, cited_by: tuple[str, ...], grounds: bool) -> OfferedPart:
    return OfferedPart(
        item.label,
        item.item_id,
        item.version,
        item.digest,
        item.kind,
        item.disputed,
        item.source_debate_id,
        item.source_receipt_id,
        item.source_receipt_hash,
        cited_by,
        grounds,
    )


@dataclass(frozen=True, slots=True)
class ReceiptDraft:
    """What a receipt states. Times are seconds since the epoch; `journal_digest` is `canonical.journal_digest` over
    the payloads of seq 1 to `journal_length`, the seq of ConsensusReached."""

    receipt_id: str
    spec: DebateSpec
    decision: Decision
    summary: DebateSummary
    journal_digest: str
    journal_length: int
    opened_at: float
    issued_at: float
    status: DebateStatus = DebateStatus.COMPLETED
    knowledge: KnowledgePart | None = None  # None: the debate looked for none, and its receipt says nothing of it

    def body(self) -> dict[str, Any]:
        """The members of the document that do not depend on the chain or the key, as plain values.

        Long texts that the receipt does not need in full (the context, the agents' answers) stand as digests; the
        question, the decision's answer and the dissent stand in full.
        """
        spec, agents = self.spec, self.summary.agents
        knowledge = {} if self.knowledge is None else {"knowledge": encoding.to_plain(self.knowledge)}
        return {
            "schema": SCHEMA,
            "receipt_id": self.receipt_id,
            "debate_id": spec.debate_id,
            "org_id": spec.org_id,
            "workspace": spec.workspace,
            "created_by": spec.created_by,
            "status": self.status.value,
            "opened_at": self.opened_at,
            "issued_at": self.issued_at,
            "question": spec.question,
            "context_sha256": text_digest(spec.context) if spec.context else None,
            "domain": spec.domain,
            "options": list(spec.options),
            "needs": list(spec.needs),
            "protocol": _protocol(spec),
            "decision": _decision(self.decision),
            "agents": encoding.to_plain(agents),
            "usage": {
                "input_tokens": sum(agent.input_tokens for agent in agents),
                "output_tokens": sum(agent.output_tokens for agent in agents),
                "cost_usd": self.decision.cost_usd,
            },
            "journal": {"sha256": self.journal_digest, "length": self.journal_length},
            **knowledge,
        }


def _protocol(spec: DebateSpec) -> dict[str, Any]:
    protocol = spec.protocol
    return {
        "name": protocol.name,
        "rounds": protocol.rounds,
        "consensus": protocol.consensus.value,
        "threshold": protocol.threshold,
        "topology": protocol.topology.value,
        "seed": str(spec.seed),  # text: a seed may be larger than the numbers that JSON keeps exact
    }


def _decision(decision: Decision) -> dict[str, Any]:
    plain: dict[str, Any] = encoding.to_plain(decision)
    del plain["cost_usd"]  # stands under usage
    return plain


@dataclass(slots=True)
class _Running:
    """One agent's figures while its events go by."""

    provider: str | None = None
    model: str | None = None
    answers: int = 0
    abstentions: int = 0
    failures: int = 0
    estimated_usd: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    latency_s: float = 0.0
    answer: str | None = None
    fallbacks: dict[tuple[str, str, str, str], list[int]] = field(default_factory=dict)

    def pay(self, usage: Usage) -> None:
        self.input_tokens += usage.input_tokens
        self.output_tokens += usage.output_tokens
        self.cost_usd += usage.cost_usd
        self.estimated_usd += usage.cost_usd if usage.estimated else 0.0
        self.latency_s += usage.latency_s

    def fall_back(self, fallback: Fallback, *, succeeded: bool) -> None:
        key = (fallback.from_provider, fallback.to_provider, fallback.model, fallback.reason)
        counts = self.fallbacks.setdefault(key, [0, 0])
        counts[0 if succeeded else 1] += 1

    def part(self, name: str) -> AgentPart:
        return AgentPart(
            name=name,
            provider=self.provider,
            model=self.model,
            answers=self.answers,
            failures=self.failures,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            cost_usd=self.cost_usd,
            latency_s=self.latency_s,
            answer_sha256=None if self.answer is None else text_digest(self.answer),
            fallbacks=tuple(FallbackCount(*key, *counts) for key, counts in self.fallbacks.items()),
            abstentions=self.abstentions,
            estimated_usd=self.estimated_usd,
        )
