"""JSON objects inside a model's text: within code fences, after reasoning, before a closing remark."""

from __future__ import annotations

import json
from typing import Any, Final

_MAX_STARTS: Final = 50  # braces tried as the start of an object; keeps hostile text cheap

_decoder = json.JSONDecoder(strict=False)  # models put raw line breaks into strings


def candidates_in(text: str) -> list[dict[str, Any]]:
    """The outermost JSON objects in `text`, in order; braces that begin none are passed over."""
    found: list[dict[str, Any]] = []
    position = text.find("{")
    for _ in range(_MAX_STARTS):
        if position < 0:
            break
        try:
            value, end = _decoder.raw_decode(text, position)
        except (json.JSONDecodeError, RecursionError):
            end = position + 1
        else:
            found.append(value)
        position = text.find("{", end)
    return found
