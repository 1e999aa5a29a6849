"""Signed requests, genuine and not, for programs that check webhooks: docs/examples/webhooks/vectors.json.

Written anew by `python tests/worlds/webhook_vectors.py`, from the root of the project.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from aragora.webhooks.body import body_of, with_delivery_id
from aragora.webhooks.signing import new_private_key, new_secret, public_key, signed_headers

FOLDER: Final = Path(__file__).parents[2] / "docs" / "examples" / "webhooks"
AT: Final = 1_772_366_400
_NEW: Final = new_secret(bytes(range(32)))
_OLD: Final = new_secret(bytes(range(32, 64)))
_CHOSEN: Final = "a secret that somebody chose"
_KEY: Final = new_private_key(bytes(range(64, 96)))
_OLD_KEY: Final = new_private_key(bytes(range(96, 128)))
_PUBLIC: Final = public_key(_KEY)  # all that a receiver has of it
_EVENT: Final[Mapping[str, Any]] = {
    "type": "debate_end",
    "timestamp": "2026-03-01T12:00:00.000Z",
    "seq": 42,
    "data": {"debate_id": "deb_1", "status": "completed"},
    "version": 1,
}
_ODD: Final[Mapping[str, Any]] = {
    "emoji": "\U0001f600",
    "line": "a\u2028b",
    "accents": "\u00fc\u4e2d",
    "numbers": [1.0, 1e22, -0.0, 5e-324, 2**64],
    "nested": {"z": {"y": [], "x": {}}, "a": None},
    "html": "</script>\"'\\/",
}


def vectors() -> list[dict[str, Any]]:
    """Each case: a request, the secret it is checked with and when, and what is to come out: `genuine` by the headers
    webhook-*, `genuine_body` by X-Webhook-Signature."""
    made = _case("made secret", _NEW, _NEW)
    key = _case("key", _PUBLIC, _KEY) | {"genuine_body": False}  # nothing is shared to make X-Webhook-Signature with
    return [
        made,
        _case("chosen secret", _CHOSEN, _CHOSEN),
        _case("odd characters and numbers", _NEW, _NEW, payload=_ODD),
        _case("empty payload", _NEW, _NEW, payload={}),
        _case("while the secret is changed, the new one", _NEW, _NEW, _OLD),
        _case("while the secret is changed, the old one", _OLD, _NEW, _OLD) | {"genuine_body": False},
        _case("beside a signature of another kind", _CHOSEN, _KEY, _CHOSEN),
        _case("five minutes late", _NEW, _NEW) | {"now": AT + 300},
        _case("another secret", _OLD, _NEW) | {"genuine": False, "genuine_body": False},
        _case("too late", _NEW, _NEW) | {"now": AT + 301, "genuine": False},
        _case("sent in the future", _NEW, _NEW) | {"now": AT - 301, "genuine": False},
        _without(made, "webhook-signature"),
        _without(made, "webhook-timestamp"),
        _without(made, "webhook-id"),
        _with(made, "webhook-id", "msg_2"),
        _with(made, "webhook-timestamp", str(AT + 1)),
        _with(made, "webhook-timestamp", "yesterday"),
        _with(made, "webhook-signature", made["headers"]["webhook-signature"][:-4]),
        _with(made, "webhook-signature", "v1, v1a,AAAA \u00fc"),
        _changed(made, "value", made["body"].replace("completed", "cancelled")),
        _changed(made, "white space", f"{made['body'][:-1]} }}"),  # only the raw body shows it
        key,
        key | _case("key, odd characters and numbers", _PUBLIC, _KEY, payload=_ODD) | {"genuine_body": False},
        _case("while the key is changed, the new one", _PUBLIC, _KEY, _OLD_KEY) | {"genuine_body": False},
        _case("while the key is changed, the old one", public_key(_OLD_KEY), _KEY, _OLD_KEY) | {"genuine_body": False},
        _case("key beside the secret that it takes the place of", _PUBLIC, _KEY, _OLD) | {"genuine_body": False},
        _case("another key", public_key(_OLD_KEY), _KEY) | {"genuine": False, "genuine_body": False},
        _case("a secret where a key is expected", _PUBLIC, _NEW) | {"genuine": False, "genuine_body": False},
        _case("key, too late", _PUBLIC, _KEY) | {"now": AT + 301, "genuine": False, "genuine_body": False},
        *(
            each | {"name": f"key, {each['name']}"}
            for each in (
                _without(key, "webhook-signature"),
                _without(key, "webhook-timestamp"),
                _with(key, "webhook-id", "msg_2"),
                _with(key, "webhook-timestamp", str(AT + 1)),
                _with(key, "webhook-signature", key["headers"]["webhook-signature"].replace("v1a,", "v1,")),
                _with(key, "webhook-signature", f"v1a, v1a,AAAA v1a,{'A' * 86}== v1a,\u00fc"),
                _changed(key, "value", key["body"].replace("completed", "cancelled")),
                _changed(key, "white space", f"{key['body'][:-1]} }}"),
            )
        ),
    ]


def _case(name: str, secret: str, *valid: str, payload: Mapping[str, Any] = _EVENT) -> dict[str, Any]:
    body = with_delivery_id(body_of(payload), "dlv_4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e")
    headers = signed_headers(
        body,
        message_id="msg_1",
        delivery_id="dlv_4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e",
        event_type="debate_end",
        attempt=1,
        timestamp=AT,
        secrets=valid,
    )
    lower = {key.lower(): value for key, value in headers.items()}
    return {
        "name": name,
        "secret": secret,
        "now": AT,
        "headers": lower,
        "body": body.decode(),
        "genuine": True,
        "genuine_body": True,
    }


def _changed(case: dict[str, Any], what: str, body: str) -> dict[str, Any]:
    return case | {"name": f"changed {what} in the body", "body": body, "genuine": False, "genuine_body": False}


def _without(case: dict[str, Any], header: str) -> dict[str, Any]:
    headers = {key: value for key, value in case["headers"].items() if key != header}
    return case | {"name": f"no {header}", "headers": headers, "genuine": False}


def _with(case: dict[str, Any], header: str, value: str) -> dict[str, Any]:
    name = f"another {header}: {value}"
    return case | {"name": name, "headers": case["headers"] | {header: value}, "genuine": False}


if __name__ == "__main__":
    (FOLDER / "vectors.json").write_text(json.dumps(vectors(), indent=2) + "\n")
