"""What can be checked of a receipt by anyone, from the receipt alone.

The hash is that of the content, the key's name is that of the key, the signature is the key's over the hash. Whose
key it is, a receipt cannot prove.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from aragora.receipts.canonical import NotCanonical, canonical, digest
from aragora.receipts.signing import is_public_key, key_id_of, signature_holds

SEALS: Final = frozenset({"hash", "signature"})  # what is made over the rest of the document


def checks_of(document: Mapping[str, Any], expected_key: str | None) -> Iterator[dict[str, Any]]:
    """Each check of a receipt as {name, passed, detail}."""
    claimed, key = str(document.get("hash")), str(document.get("public_key"))
    try:
        computed = digest(canonical({name: value for name, value in document.items() if name not in SEALS}))
        yield {"name": "content", "passed": computed == claimed, "detail": f"SHA-256 {computed}"}
    except NotCanonical as error:
        yield {"name": "content", "passed": False, "detail": str(error)}
    named = is_public_key(key) and key_id_of(key) == document.get("key_id")
    yield {"name": "key id", "passed": named, "detail": str(document.get("key_id"))}
    signed = signature_holds(key, claimed, str(document.get("signature")))
    yield {"name": "signature", "passed": signed, "detail": f"Ed25519, key {key}"}
    if expected_key is not None:
        yield {"name": "expected key", "passed": key == expected_key, "detail": expected_key}
