"""The JSON objects that a model's text holds outside of its thoughts.

Models wrap their answer in code fences or prose, think aloud before it, and add remarks after it.

Rules
- The text is read once, from the left. What comes first counts: a thought inside the text of an object belongs to the
  object, an object inside a thought to the thought.
- A thought goes from its opening tag to the next closing tag, or to the end (`aragora.agents.reading.thoughts`). Where
  a closing tag stands without an opening one, all before it was thought: some servers swallow the opening tag.
- An object with a mistake that leaves no doubt of what is meant is read (`aragora.agents.reading.mended_json`).
- An object that holds others is one object. A JSON string that begins with an object is read as a text of its own; a
  string in it is not.
- Braces that begin no object are skipped: LaTeX, code and templates are full of them.
- The work is bounded. Each try to decode an object costs the characters that it read; once all tries together have read
  `EFFORT` times the text, no more are made. Only a text that is built to be slow comes near: one with objects begun in
  objects many times and never closed.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any, Final

from aragora.agents.reading.mended_json import mended
from aragora.agents.reading.thoughts import MARK, closes, end_of

EFFORT: Final = 16
_EFFORT_AT_LEAST: Final = 1_000
_WINDOW_CHARS: Final = 8_192
_AFTER_A_COMMA: Final = ("}", "]")
_NEAR_CHARS: Final = 30
_MISTAKES: Final = {
    "Unterminated string": "a text begins that is not closed",
    "Expecting ',' delimiter": "a comma or closing brace is missing, or a quote inside a text has no backslash before it",
    "Invalid \\": "a backslash must be written twice",
}
_DIGITS_MAX: Final = 300  # Python refuses to read numbers with thousands of digits

_OBJECT: Final = r'(?P<object>\{(?=\s*"(?:[^"\\]|\\.){0,100}"\s*:))'
_STRING: Final = r'(?P<string>"(?=(?:\s|\\[nrt])*\{(?:\s|\\[nrt])*\\"))'
_MARK: Final = re.compile(f"{MARK}|{_OBJECT}|{_STRING}", re.IGNORECASE)


def _whole_number(digits: str) -> int | float:
    return int(digits) if len(digits) <= _DIGITS_MAX else math.inf


_json = json.JSONDecoder(strict=False, parse_int=_whole_number)  # models put raw line breaks into strings


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a model said outside of its thoughts: its objects in order, and the prose around them. `thought` tells
    whether anything was cut out, `effort` how many characters were read in tries to decode an object, `broken` why the
    first could not be decoded."""

    objects: tuple[dict[str, Any], ...]
    prose: str
    thought: bool
    effort: int
    broken: str = ""


def spoken_in(text: str) -> Spoken:
    """What `text` says outside of thoughts. Never raises, and takes time in proportion to the text's length."""
    return _Reading(text, strings=True).read()


def object_in(text: str) -> dict[str, Any] | None:
    """The object that `text` is, nothing around it; None where it is none."""
    text = text.strip()
    if not (text.startswith("{") and text.endswith("}")):
        return None
    found = _decoded(text, 0)
    return found.value if isinstance(found.value, dict) and found.end == len(text) else None


class _Reading:
    """One pass over a text, from the left."""

    def __init__(self, text: str, *, strings: bool) -> None:
        self._text = text
        self._strings = strings
        self._objects: list[dict[str, Any]] = []
        self._prose: list[str] = []
        self._prose_at = 0  # where the prose begins that is not in `_prose` yet
        self._thought = False
        self._effort = 0
        self._broken = ""
        self._effort_most = max(EFFORT * len(text), _EFFORT_AT_LEAST)
        self._window, self._window_at = text, 0

    def read(self) -> Spoken:
        position = 0
        while (mark := _MARK.search(self._text, position)) is not None:
            if mark["object"] is None and mark["string"] is None:
                position = self._skip_thought(mark)
            elif self._effort < self._effort_most:
                position = self._take_value(mark.start())
            else:
                position = mark.end()
        self._prose.append(self._text[self._prose_at :])
        return Spoken(tuple(self._objects), "".join(self._prose), self._thought, self._effort, self._broken)

    def _skip_thought(self, tag: re.Match[str]) -> int:
        """Leave out the thought that `tag` begins or ends. Returns where it is over."""
        self._thought = True
        if closes(tag):
            self._objects.clear()
            self._prose.clear()
            self._broken = ""
            self._prose_at = tag.end()
        else:
            self._prose.append(self._text[self._prose_at : tag.start()])
            end = end_of(tag, self._text)
            self._prose_at = len(self._text) if end is None else end
        return self._prose_at

    def _take_value(self, start: int) -> int:
        """Keep what the object, or the string with an object, at `start` says. Returns where to look next."""
        if start - self._window_at > _WINDOW_CHARS:  # an error of `json` counts the lines before it
            self._window, self._window_at = self._text[start:], start
        found = _decoded(self._window, start - self._window_at)
        value, end = found.value, found.end + self._window_at
        self._effort += found.cost
        if value is None:
            self._broken = self._broken or found.broken
            return end
        self._prose.append(self._text[self._prose_at : start])
        self._prose_at = end
        if isinstance(value, dict):
            self._objects.append(value)
        elif isinstance(value, str) and self._strings:
            inner = _Reading(value, strings=False).read()
            self._objects.extend(inner.objects)
            self._effort += inner.effort
        return end


@dataclass(frozen=True, slots=True)
class _Decoded:
    """A JSON value (None where there is none, and why), its end, and how many characters were read."""

    value: Any
    end: int
    cost: int
    broken: str = ""


def _decoded(text: str, start: int) -> _Decoded:
    """The JSON value at `start`."""
    try:
        value, end = _json.raw_decode(text, start)
    except json.JSONDecodeError as error:
        read_all = error.msg.startswith("Unterminated string")  # such an error names the string's beginning
        cost = (len(text) if read_all else error.pos) - start
        if error.msg.startswith("Invalid \\") or text[error.pos : error.pos + 1] in _AFTER_A_COMMA:
            return _mended(text, start, cost, _why(error, text))
        return _Decoded(None, start + 1, cost, _why(error, text))
    except RecursionError:
        return _Decoded(None, start + 1, len(text) - start, "it nests too deep")
    return _Decoded(value, end, end - start)


def _mended(text: str, start: int, cost: int, why: str) -> _Decoded:
    """The value at `start` of a text with a mistake that may be one of those that can be mended."""
    cost += len(text) - start
    better = mended(text[start:])
    try:
        value, end = _json.raw_decode(better.text, 0)
    except (json.JSONDecodeError, RecursionError):
        return _Decoded(None, start + 1, cost, why)
    return _Decoded(value, start + better.before(end), cost)


def _why(error: json.JSONDecodeError, text: str) -> str:
    """What is wrong, in words that let a model mend it."""
    near = " ".join(text[max(0, error.pos - _NEAR_CHARS) : error.pos + _NEAR_CHARS].split())
    what = next((words for begin, words in _MISTAKES.items() if error.msg.startswith(begin)), "")
    return f"near `{near}` {what or 'something is no JSON'}"
