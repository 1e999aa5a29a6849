"""A text from whatever JSON value a model put where a text was wanted.

Rules
- A number or a truth value is its text. Lists are joined paragraph by paragraph. Of an object, what stands under a
  key that only says "this is the text" comes bare, the rest as "key: text".
- What nests deeper than `_DEPTH_MAX`, or is a JSON schema instead of an answer, is not clear: None.
- All texts are cleaned as `border.text` does, and stripped. A thought at the beginning of one is left out.
"""

from __future__ import annotations

import math
from typing import Any, Final

from aragora.agents import border
from aragora.agents.reading.mended_json import with_backslashes
from aragora.agents.reading.thoughts import without_thought
from aragora.limits import COMPLETION_MAX_CHARS

_DEPTH_MAX: Final = 3
_PARAGRAPHS: Final = "\n\n"
_BARE_KEYS: Final = frozenset(
    {
        *("answer", "text", "content", "conclusion", "summary", "value", "paragraph", "statement"),
        *("fact", "claim", "evidence", "quote", "point", "issue", "problem", "suggestion", "description", "reason"),
    }
)
_SOURCE_KEYS: Final = frozenset({"source", "sources", "url", "link", "citation", "reference"})
_SCHEMA_TYPES: Final = frozenset({"string", "number", "integer", "object", "array", "boolean"})
_SCHEMA_KEYS: Final = frozenset(
    {"type", "description", "title", "items", "enum", "properties", "required", "additionalProperties", "default"}
)


def text_of(value: Any, depth: int = _DEPTH_MAX) -> str | None:
    """`value` as one text, empty where it says nothing; None where it is not clear what text it would be."""
    match value:
        case None:
            return ""
        case str():
            return without_thought(border.text(with_backslashes(value), COMPLETION_MAX_CHARS).strip())
        case int() | float():
            return _number(value)
        case list() if depth:
            return _joined([text_of(part, depth - 1) for part in value], _PARAGRAPHS)
        case dict() if depth and not _is_schema(value):
            return _joined([_named(key, text_of(part, depth - 1)) for key, part in value.items()], _PARAGRAPHS)
    return None


def _number(value: float) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if math.isfinite(value) else None


def note_of(value: Any) -> str | None:
    """`value` as one note: like a text, but on one line, with sources in parentheses after what they bear out."""
    if not isinstance(value, dict):
        text = text_of(value)
        return None if text is None else text.replace(_PARAGRAPHS, "; ") if isinstance(value, list) else text
    if _is_schema(value):
        return None
    said = _joined([_named(key, text_of(part)) for key, part in value.items() if key not in _SOURCE_KEYS], "; ")
    source = _joined([text_of(part) for key, part in value.items() if key in _SOURCE_KEYS], "; ")
    if said is None or source is None:
        return None
    return f"{said} ({source})" if said and source else said or source


def _joined(parts: list[str | None], between: str) -> str | None:
    texts = [part for part in parts if part is not None]
    return between.join(text for text in texts if text) if len(texts) == len(parts) else None


def _named(key: str, text: str | None) -> str | None:
    name = border.text(key, COMPLETION_MAX_CHARS).strip()
    if not text or not name or name.casefold() in _BARE_KEYS:
        return text
    return f"{name}: {text}"


def _is_schema(value: dict[str, Any]) -> bool:
    kind = value.get("type")
    return isinstance(kind, str) and kind in _SCHEMA_TYPES and _SCHEMA_KEYS.issuperset(value)
