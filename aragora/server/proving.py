"""What stands behind the sources of an item: the receipts of its debates, and whether they hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

from aragora.encoding import decode
from aragora.errors import NotFound
from aragora.knowledge.model import Source
from aragora.scope import Scope
from aragora.server.ports import DebateReader, ReceiptVerifier

RECEIPTS_MAX: Final = 20  # of one item that are checked


class Proof(StrEnum):
    """What a look at the receipt of a source found."""

    VALID = "valid"  # the receipt is the one that the source names, unchanged, and of a key of this installation
    INVALID = "invalid"  # the checks say what is wrong
    OTHER = "other"  # it holds, but it is not the one that the source names
    MISSING = "missing"  # the debate has no receipt
    UNKNOWN = "unknown"  # the debate is not there, or the caller may not use its workspace
    UNLOOKED = "unlooked"  # too many of them: ask for the receipt itself


async def proofs(
    debates: DebateReader, verifier: ReceiptVerifier, scope: Scope, sources: Sequence[Source]
) -> dict[str, dict[str, Any]]:
    """By debate, what its receipt says: `state` and `checks`. Raises Unavailable."""
    found: dict[str, dict[str, Any]] = {}
    for source in sources:
        debate_id = source.debate_id
        if debate_id is not None and debate_id not in found:
            looked = len(found) < RECEIPTS_MAX
            found[debate_id] = await _proof(debates, verifier, scope, source) if looked else _told(Proof.UNLOOKED)
    return found


async def _proof(debates: DebateReader, verifier: ReceiptVerifier, scope: Scope, source: Source) -> dict[str, Any]:
    debate_id = source.debate_id or ""
    try:
        await debates.get(debate_id, scope)
    except NotFound:
        return _told(Proof.UNKNOWN)
    try:
        receipt = await debates.receipt(debate_id)
    except NotFound:
        return _told(Proof.MISSING)
    try:
        document = decode(receipt.document)
    except ValueError:
        return _told(Proof.INVALID, [{"name": "structure", "passed": False, "detail": "it cannot be read"}])
    valid, checks = await verifier.verify(document if isinstance(document, Mapping) else {})
    same = source.receipt_hash is None or source.receipt_hash == receipt.hash
    return _told((Proof.VALID if same else Proof.OTHER) if valid else Proof.INVALID, checks)


def _told(state: Proof, checks: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    return {"state": state, "checks": list(checks)}
