"""The smallest document that reads as a signed receipt: its hash and its signature hold, and nothing else is in it."""

from __future__ import annotations

from typing import Any

from aragora.receipts.canonical import canonical, digest
from aragora.receipts.receipt import SCHEMA
from aragora.receipts.signing import ALGORITHM, Signer


def signed_receipt(debate_id: str = "deb_1") -> dict[str, Any]:
    """The first receipt of a chain, `rcp_1`, of this debate."""
    signer = Signer.from_seed(bytes(32))
    content = {
        "schema": SCHEMA,
        "algorithm": ALGORITHM,
        "receipt_id": "rcp_1",
        "debate_id": debate_id,
        "position": 1,
        "previous_hash": "0" * 64,
        "key_id": signer.key_id,
        "public_key": signer.public_key,
    }
    receipt_hash = digest(canonical(content))
    return content | {"hash": receipt_hash, "signature": signer.sign(receipt_hash)}
