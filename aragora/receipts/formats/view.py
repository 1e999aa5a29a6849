"""What both printed forms show, drawn from a receipt's document once: texts only, nothing escaped yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Rows = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A heading row and the rows below it."""

    heading: tuple[str, ...]
    rows: Rows


@dataclass(frozen=True, slots=True)
class ReceiptView:
    """A receipt as a page: paragraphs are plain text as the agents and people wrote them."""

    receipt_id: str
    question: str
    verdict: str
    answer: str
    explanation: str
    votes: Table
    dissent: tuple[tuple[str, str], ...]  # who, and why
    agents: Table
    facts: Rows
    proof: Rows


def view_of(document: Mapping[str, Any]) -> ReceiptView:
    """The page of a receipt whose structure was checked. Raises KeyError or TypeError for anything else."""
    decision, usage, protocol = document["decision"], document["usage"], document["protocol"]
    return ReceiptView(
        receipt_id=document["receipt_id"],
        question=document["question"],
        verdict=_verdict(decision),
        answer=decision["answer"],
        explanation=decision["explanation"],
        votes=Table(
            ("Answer of", "Votes", "Weight", "Voters"),
            tuple(
                (tally["agent"], str(tally["votes"]), f"{tally['weight']:g}", ", ".join(tally["voters"]))
                for tally in decision["tallies"]
            ),
        ),
        dissent=tuple(
            (f"{one['agent']}, for the answer of {one['choice']}", one["reason"]) for one in decision["dissent"]
        ),
        agents=Table(
            ("Agent", "Model", "Answers", "Failures", "Tokens", "Cost (USD)", "Fallbacks"),
            tuple(_agent(agent) for agent in document["agents"]),
        ),
        facts=(
            ("Debate", document["debate_id"]),
            ("Status", document["status"]),
            ("Opened", _time(document["opened_at"])),
            ("Issued", _time(document["issued_at"])),
            ("Protocol", f"{protocol['name']}, consensus by {protocol['consensus']}"),
            ("Rounds", f"{decision['rounds']} (stopped by {decision['stopped_by']})"),
            ("Domain", document["domain"]),
            ("Tokens", f"{usage['input_tokens']} in, {usage['output_tokens']} out"),
            ("Cost", f"{usage['cost_usd']:.6f} USD"),
            ("Organisation", document["org_id"]),
            ("Asked by", document["created_by"]),
        ),
        proof=(
            ("Position in the chain", str(document["position"])),
            ("Hash", document["hash"]),
            ("Previous hash", document["previous_hash"]),
            ("Signature", document["signature"]),
            ("Algorithm", document["algorithm"]),
            ("Public key", document["public_key"]),
            ("Key id", document["key_id"]),
            ("Journal", f"{document['journal']['length']} events, SHA-256 {document['journal']['sha256']}"),
        ),
    )


def _verdict(decision: Mapping[str, Any]) -> str:
    reached = "Decided" if decision["reached"] else "Not decided: the leading answer"
    return f"{reached}, by {decision['mode']}, with {decision['confidence']:.0%} confidence"


def _agent(agent: Mapping[str, Any]) -> tuple[str, ...]:
    model = " / ".join(part for part in (agent["provider"], agent["model"]) if part)
    fallbacks = "; ".join(
        f"{one['to_provider']} ({one['reason']}): {one['succeeded']} answered, {one['failed']} failed"
        for one in agent["fallbacks"]
    )
    return (
        agent["name"],
        model or "none",
        str(agent["answers"]),
        str(agent["failures"]),
        str(agent["input_tokens"] + agent["output_tokens"]),
        f"{agent['cost_usd']:.6f}",
        fallbacks or "none",
    )


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
