"""What a provider says in an error: its words, wherever it puts them, and the marks by which the cause is known.

Providers and proxies put the text into `error`, `error.message`, `message`, `detail` (a text, or a list of places and
messages), or send plain text or a web page. Anything may stand in any of these places; nothing here raises.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from aragora.limits import CALL_MAX_TOKENS

_MAX_READ_CHARS: Final = 20_000  # of a body: what comes after is not even looked through
_MAX_PLAIN_CHARS: Final = 200
_MAX_DEPTH: Final = 4
_MAX_ITEMS: Final = 3
_BINARY: Final = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_TEXTS: Final = ("message", "msg", "detail", "error", "errors", "error_description", "title", "raw")
_MARKS: Final = ("code", "type", "status", "param", "reason")
_SIZES: Final = ("n_ctx", "num_ctx", "max_model_len", "max_seq_len")  # how much a model takes: llama.cpp and others
_PAGE: Final = re.compile(
    r"(?i)\s*(?:<!--.{0,500}?-->\s*)?<(?:!doctype\s+html|html|head|body|title|h1|center)\b", re.DOTALL
)
_STATUS_OF: Final = {  # types of errors that come in a stream with status 200
    "invalid_request_error": 400,
    "INVALID_ARGUMENT": 400,
    "authentication_error": 401,
    "UNAUTHENTICATED": 401,
    "billing_error": 402,
    "permission_error": 403,
    "PERMISSION_DENIED": 403,
    "not_found_error": 404,
    "NOT_FOUND": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "RESOURCE_EXHAUSTED": 429,
    "UNAVAILABLE": 503,
    "timeout_error": 504,
    "DEADLINE_EXCEEDED": 504,
    "overloaded_error": 529,
}
_NO_ERROR: Final = frozenset({"", "null", "none", "false"})
_STATUSES: Final = range(400, 600)


@dataclass(frozen=True, slots=True)
class Told:
    """`words` are for people (empty where there are none), `marks` are the codes, types and sizes beside them, `status`
    is the HTTP status that the body itself names. `is_page`: a web page came instead, whose text is of no use."""

    words: str = ""
    marks: str = ""
    status: int | None = None
    is_page: bool = False

    @property
    def all(self) -> str:
        """Words and marks, to look for the cause in."""
        return f"{self.words} {self.marks}"


def told_in(body: object) -> Told:
    """What the body of an error says: JSON that was read already, or its text."""
    if isinstance(body, bytes | bytearray):
        body = bytes(body[:_MAX_READ_CHARS]).decode(errors="replace")
    if isinstance(body, str):
        text = body[:_MAX_READ_CHARS].strip()
        if _PAGE.match(text):
            return Told(is_page=True)
        if _BINARY.search(text[:_MAX_PLAIN_CHARS]):
            return Told("bytes that are no text (compressed, or in another encoding)")
        body = _json(text)
        if not isinstance(body, Mapping | list):
            return Told(text[:_MAX_PLAIN_CHARS])
    if isinstance(body, list) and len(body) == 1:
        body = body[0]
    marks = " ".join(dict.fromkeys(_marks(body, _MAX_DEPTH)))
    return Told(_words(body, _MAX_DEPTH), marks, _status(body))


def error_in(document: object) -> object | None:
    """The error that a document, or an event of a stream, tells: itself, or one of its choices (so does OpenRouter);
    None where it is a part of an answer."""
    if not isinstance(document, Mapping):
        return None
    if _tells(document.get("error")) or document.get("object") == "error" or document.get("type") == "error":
        return document
    choices = document.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, Mapping) and _tells(choice.get("error")):
            return choice
    return None


def _tells(error: object) -> bool:
    """Whether what stands under `error` is one: some send an empty one with every answer."""
    if isinstance(error, Mapping):
        return any(error.values())
    return bool(error) and not (isinstance(error, str) and error.strip().casefold() in _NO_ERROR)


def _words(value: object, depth: int) -> str:
    if isinstance(value, str):
        return value[:_MAX_READ_CHARS].strip()
    if depth == 0:
        return ""
    if isinstance(value, list):
        return "; ".join(filter(None, (_words(item, depth - 1) for item in value[:_MAX_ITEMS])))
    if not isinstance(value, Mapping):
        return ""
    found = next(filter(None, (_words(value.get(name), depth - 1) for name in ("error", *_TEXTS))), "")
    place = value.get("loc")
    if found and isinstance(place, list):
        found = f"{'.'.join(str(part)[:_MAX_PLAIN_CHARS] for part in place[:_MAX_DEPTH])}: {found}"
    beneath = value.get("metadata")  # OpenRouter: what the provider behind it said
    raw = _words(beneath.get("raw"), depth - 1) if isinstance(beneath, Mapping) else ""
    return f"{found}: {raw}" if raw else found


def _marks(value: object, depth: int) -> Iterator[str]:
    if isinstance(value, list):
        for item in value[:_MAX_ITEMS]:
            yield from _marks(item, depth - 1)
    if not isinstance(value, Mapping) or depth <= 0:
        return
    for name in _MARKS:
        mark = value.get(name)
        if isinstance(mark, str):
            yield mark[:_MAX_PLAIN_CHARS]
    for name in _SIZES:
        size = value.get(name)
        if isinstance(size, int) and not isinstance(size, bool) and 0 < size <= CALL_MAX_TOKENS:
            yield f"{name}={size}"
    for name in ("error", "details", "detail"):
        yield from _marks(value.get(name), depth - 1)


def _status(body: object) -> int | None:
    if not isinstance(body, Mapping):
        return None
    for holder in (body.get("error"), body):
        if isinstance(holder, Mapping):
            for name in ("code", "status", "status_code", "type"):
                value = holder.get(name)
                if isinstance(value, str):
                    value = int(value) if value.isdecimal() and len(value) == len("500") else _STATUS_OF.get(value)
                if isinstance(value, int) and value in _STATUSES:
                    return value
    return None


def _json(text: str) -> Any:
    if not text.startswith(("{", "[")):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
