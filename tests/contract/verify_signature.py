# The verification code that the runbook prints for recipients, letter for letter, with its indentation restored.
# ruff: noqa: I001
# fmt: off
import hmac
import hashlib
import json
def verify_signature(payload: dict, signature: str, secret: str) -> bool:
    expected = "sha256=" + hmac.new(
        secret.encode(),
        json.dumps(payload).encode(),
        hashlib.sha256
    ).hexdigest()
    return hmac.compare_digest(expected, signature)
