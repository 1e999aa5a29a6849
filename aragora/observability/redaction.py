"""Keeps secrets out of logs: configured values, tell-tale field names, and texts that look like credentials.

Applied to the finished log entry, so that messages of libraries and tracebacks pass through it too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

REDACTED: Final = "[redacted]"
TEXT_CAP: Final = 16_384  # characters of one logged text
_DEPTH_CAP: Final = 8
_SHORTEST_SECRET: Final = 6  # characters; shorter values would redact ordinary words

_SECRET_FIELD: Final = re.compile(
    r"(?i)(?:^|_|-)(?:password|passwd|secret|token|authorization|cookie|api[_-]?key|private[_-]?key|signing[_-]?key)$"
)
# Each pattern begins at few places or looks a bounded way ahead: texts come from outside, and one that makes a pattern
# begin everywhere and read to the end would cost the square of its length.
_CREDENTIALS: Final = (
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"), rf"\1 {REDACTED}"),
    (  # with stars: providers show a part of a key
        re.compile(r"\b(?:(?:sk|pk|xai|ak)-|(?:sk|gsk|xai)_|(?:pk|rk)_(?:live|test)_)[A-Za-z0-9_*-]{6,}"),
        REDACTED,
    ),
    (re.compile(r"\bwhs(?:ec|k)_[A-Za-z0-9+/=_*-]{6,}"), REDACTED),  # secrets of webhooks
    (re.compile(r"\bkey-[A-Za-z0-9_*-]{12,}"), REDACTED),
    (re.compile(r"\bAIza[A-Za-z0-9_*-]{6,}"), REDACTED),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,4096}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"), REDACTED),
    (re.compile(r"(?i)([?&](?:api_?key|key|token|access_token|ticket|secret|code)=)[^&\s\"']+"), rf"\1{REDACTED}"),
    (
        re.compile(
            r"(?i)\b((?:x-)?api[_-]?key|password|secret|(?:access|refresh|api)[_-]token)([\"']?\s*[:=]\s*[\"']?)[^\s\"',;}]{4,}"
        ),
        rf"\1\2{REDACTED}",
    ),
    (re.compile(r"([a-z][a-z0-9+.-]{0,30}://[^\s:/@]*:)[^\s@/]+@"), rf"\1{REDACTED}@"),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)"), REDACTED),
)


# Every text in which a pattern above finds something holds one of these. Most texts hold none, and one look costs a
# tenth of ten.
_HINT: Final = re.compile(r"(?i)bearer|basic|k[-_]|xai|key|aiza|eyj|whs|[?&]|password|secret|token|://|-----")
_NAMES_KEPT: Final = 1_000


class Redactor:
    """Redacts secrets. `secrets` are configured values; comma-separated ones count part by part too."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        values = {part.strip() for secret in secrets for part in (secret, *secret.split(","))}
        ordered = sorted((value for value in values if len(value) >= _SHORTEST_SECRET), key=len, reverse=True)
        self._configured = re.compile("|".join(map(re.escape, ordered))) if ordered else None
        self._longest = len(ordered[0]) if ordered else 0
        self._names: dict[str, tuple[str, bool]] = {}  # of fields: how each is shown, and whether it names a secret

    def text(self, text: str) -> str:
        """`text` without secrets, cut at `TEXT_CAP` characters."""
        cut = self._cut(text)  # first, so that a huge text costs no more than a long one
        if self._configured is not None:
            cut = self._configured.sub(REDACTED, cut)
        if _HINT.search(cut) is not None:
            for pattern, replacement in _CREDENTIALS:
                cut = pattern.sub(replacement, cut)
        return cut if len(text) <= TEXT_CAP else f"{cut}... ({len(text)} characters)"

    def _cut(self, text: str) -> str:
        """At `TEXT_CAP`, or before a configured value that stands there: its first half would not be known."""
        if self._configured is not None and len(text) > TEXT_CAP:
            around = self._configured.finditer(text, TEXT_CAP - self._longest, TEXT_CAP + self._longest)
            for found in around:
                if found.start() < TEXT_CAP < found.end():
                    return text[: found.start()]
        return text[:TEXT_CAP]

    def mapping(self, value: Mapping[Any, Any], depth: int = 0) -> dict[str, Any]:
        """`value` with every text redacted, and fields named like secrets replaced whole."""
        shown: dict[str, Any] = {}
        for name, item in value.items():
            field, secret = self._field(str(name))
            shown[field] = REDACTED if secret and item else self._value(item, depth + 1)
        return shown

    def _field(self, name: str) -> tuple[str, bool]:
        known = self._names.get(name)
        if known is None:
            known = self.text(name), _SECRET_FIELD.search(name) is not None
            if len(self._names) < _NAMES_KEPT:
                self._names[name] = known
        return known

    def _value(self, value: Any, depth: int) -> Any:
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, str):
            return self.text(value)
        if depth < _DEPTH_CAP:
            if isinstance(value, Mapping):
                return self.mapping(value, depth)
            if isinstance(value, list | tuple | set | frozenset):
                return [self._value(item, depth + 1) for item in value]
        return self.text(str(value))
