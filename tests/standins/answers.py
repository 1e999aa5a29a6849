"""Answers that fit whatever JSON schema a provider is asked for: what a well-behaved model would send."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

ABSTAIN = "ABSTAIN"  # the label of who cannot tell

_WORDS = [
    "evidence",
    "cost",
    "risk",
    "users",
    "time",
    "data",
    "rules",
    "trade",
    "speed",
    "trust",
    "scale",
    "habit",
    "price",
    "market",
    "people",
    "change",
    "safety",
    "value",
    "effort",
    "limits",
    "growth",
    "methods",
    "results",
    "quality",
    "schools",
    "rivers",
    "engines",
    "letters",
    "winter",
    "harbour",
    "copper",
    "violet",
    "garden",
]


CITED = "KNOWLEDGE K1"  # how a prompt shows the first item of an offer


def answer_to(schema: Mapping[str, Any], seed: str) -> str:
    """JSON text by `schema`; other seeds give other words, the same seed the same. The first item that the prompt, a
    part of the seed, offers is cited as evidence."""
    digest = blake2b(seed.encode()).digest()
    answer = {name: _value(name, part, digest) for name, part in schema["properties"].items()}
    if CITED in seed and "evidence" in answer:
        answer["evidence"] = ["It was settled before [K1]."]
    return json.dumps(answer)


def _value(name: str, part: Mapping[str, Any], digest: bytes) -> Any:
    if part.get("enum"):
        return part["enum"][0]
    if part["type"] == "number":
        return round(0.5 + digest[0] / 600, 2)
    if part["type"] == "array":
        items = part["items"]
        if items["type"] == "array":  # groups: every label alone
            return [[label] for label in items["items"]["enum"]]
        labels = [label for label in items.get("enum", ()) if label != ABSTAIN]
        return labels or [_sentence(name, digest, 6)]
    return _sentence(name, digest, 18)


def _sentence(name: str, digest: bytes, words: int) -> str:
    start = len(name)
    return " ".join(_WORDS[byte % len(_WORDS)] for byte in digest[start : start + words]).capitalize() + "."
