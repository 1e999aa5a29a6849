"""Issuing: a draft, its place in the chain and a signer make a receipt. Deterministic: the same three, the same text.

hash      = SHA-256 of the canonical JSON of the document without `hash` and `signature`
signature = Ed25519 over the ASCII text "aragora-receipt-v1:" followed by the hash
"""

from __future__ import annotations

from typing import Any

import msgspec

from aragora.debate.model import ReceiptIssued
from aragora.debate.records import ChainHead, ReceiptRecord
from aragora.receipts.canonical import canonical_members, canonical_object, digest
from aragora.receipts.receipt import ReceiptDraft
from aragora.receipts.signing import ALGORITHM, Signer


def issue(draft: ReceiptDraft, head: ChainHead, signer: Signer) -> ReceiptRecord:
    """The signed receipt of `draft` as the next link after `head`.

    Raises NotCanonical where the draft holds what JSON cannot carry (NaN, lone surrogates).
    """
    position = head.position + 1
    document: dict[str, Any] = {
        **draft.body(),
        "position": position,
        "previous_hash": head.hash,
        "algorithm": ALGORITHM,
        "key_id": signer.key_id,
        "public_key": signer.public_key,
    }
    members = canonical_members(document)
    receipt_hash = digest(canonical_object(members))
    members |= canonical_members({"hash": receipt_hash, "signature": signer.sign(receipt_hash)})
    return ReceiptRecord(
        receipt_id=draft.receipt_id,
        debate_id=draft.spec.debate_id,
        position=position,
        hash=receipt_hash,
        previous_hash=head.hash,
        document=canonical_object(members).decode(),
        issued_at=draft.issued_at,
    )


class _Signed(msgspec.Struct):
    signature: str
    key_id: str


def issued(record: ReceiptRecord) -> ReceiptIssued:
    """The journal event that tells of `record`."""
    signed = msgspec.json.decode(record.document, type=_Signed)
    return ReceiptIssued(
        receipt_id=record.receipt_id,
        position=record.position,
        hash=record.hash,
        previous_hash=record.previous_hash,
        signature=signed.signature,
        key_id=signed.key_id,
    )


def head_after(record: ReceiptRecord) -> ChainHead:
    """The chain's head once `record` is its last link."""
    return ChainHead(record.position, record.hash)
