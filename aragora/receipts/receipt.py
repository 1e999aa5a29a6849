"""The draft of a receipt: everything it will say, before its place in the chain and its signature are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from aragora import encoding
from aragora.debate.model import DebateSpec, DebateStatus, Decision
from aragora.receipts.canonical import text_digest
from aragora.receipts.summary import DebateSummary

SCHEMA: Final = "aragora.receipt/1"


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
    status: DebateStatus

    @classmethod
    def of(
        cls,
        receipt_id: str,
        spec: DebateSpec,
        decision: Decision,
        summary: DebateSummary,
        *,
        journal_digest: str,
        journal_length: int,
        opened_at: float,
        issued_at: float,
        status: DebateStatus = DebateStatus.COMPLETED,
    ) -> ReceiptDraft:
        """The draft for a debate that was decided; `summary` comes from `aragora.receipts.summary.summary_of`."""
        return cls(receipt_id, spec, decision, summary, journal_digest, journal_length, opened_at, issued_at, status)

    def body(self) -> dict[str, Any]:
        """The members of the document that do not depend on the chain or the key, as plain values.

        Long texts that the receipt does not need in full (the context, the agents' answers) stand as digests; the
        question, the decision's answer and the dissent stand in full.
        """
        spec, agents = self.spec, self.summary.agents
        return {
            "schema": SCHEMA,
            "receipt_id": self.receipt_id,
            "debate_id": spec.debate_id,
            "org_id": spec.org_id,
            "created_by": spec.created_by,
            "status": self.status.value,
            "opened_at": self.opened_at,
            "issued_at": self.issued_at,
            "question": spec.question,
            "context_sha256": text_digest(spec.context) if spec.context else None,
            "domain": spec.domain,
            "protocol": _protocol(spec),
            "decision": _decision(self.decision),
            "agents": encoding.to_plain(agents),
            "usage": {
                "input_tokens": sum(agent.input_tokens for agent in agents),
                "output_tokens": sum(agent.output_tokens for agent in agents),
                "cost_usd": self.decision.cost_usd,
            },
            "journal": {"sha256": self.journal_digest, "length": self.journal_length},
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
