"""What a debate proposes to the people who must sign it, and who signed so far: read from the end of its journal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from aragora import encoding
from aragora.debate.model import WIRE_NAMES, DecisionProposed, DecisionSigned, Verdict
from aragora.debate.records import DebateRecord
from aragora.server.ports import DebateReader

ROWS: Final = 1_000
"""More than can follow a proposal: a vote or a correction makes a new one, suggestions and signatures are limited."""

_PROPOSED: Final = WIRE_NAMES[DecisionProposed]
_SIGNED: Final = WIRE_NAMES[DecisionSigned]
_TOLD: Final = ("person", "need", "verdict", "note", "answer", "option")


async def proposal_of(reader: DebateReader, record: DebateRecord) -> Mapping[str, Any] | None:
    """The decision that a waiting debate proposes, the needs that are missing and the signatures in force. None where
    its journal proposes nothing (any more)."""
    return proposed_by(await reader.events(record.debate_id, max(0, record.last_seq - ROWS), ROWS))


def proposed_by(payloads: Sequence[str]) -> Mapping[str, Any] | None:
    """What the last envelopes of a journal propose."""
    signed: list[Mapping[str, Any]] = []
    for payload in reversed(payloads):
        if payload.startswith(f'{{"type":"{_SIGNED}"'):
            signed.append(encoding.decode(payload)["data"])
        elif payload.startswith(f'{{"type":"{_PROPOSED}"'):
            data = encoding.decode(payload)["data"]
            signatures = _in_force(reversed(signed))
            return {
                "decision": data["decision"],
                "missing": [need for need in data["missing"] if need not in signatures],
                "signatures": list(signatures.values()),
            }
    return None


def _in_force(signed: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The signatures by need; a change voids those that were given for other words, and a person signs for one need."""
    signatures: dict[str, dict[str, Any]] = {}
    for data in signed:
        if data["verdict"] == Verdict.CHANGE:
            signatures.clear()
        before = next((need for need, one in signatures.items() if one["person"] == data["person"]), data["need"])
        if before != data["need"]:
            del signatures[before]
        signatures[data["need"]] = {name: data.get(name, "") for name in _TOLD}
    return signatures
