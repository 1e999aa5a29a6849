"""The JSON objects that a model's text holds outside of its thoughts.

Models wrap their answer in code fences or prose, think aloud before it, and add remarks after it.

Rules
- The text is read once, from the left. What comes first counts: a thought inside the text of an object belongs to the
  object, an object inside a thought to the thought.
- A thought goes from its opening tag to the next closing tag, or to the end. Where a closing tag stands without an
  opening one, all before it was thought: some servers swallow the opening tag.
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

EFFORT: Final = 16
_EFFORT_AT_LEAST: Final = 1_000
_WINDOW_CHARS: Final = 8_192
_DIGITS_MAX: Final = 300  # Python refuses to read numbers with thousands of digits

_THOUGHTS: Final = "think|thinking|thought|thoughts|reasoning|reflection|scratchpad"
_TAG: Final = (
    rf"<\s*(?P<closes>/?)\s*(?:[a-z]{{1,20}}:)?(?:{_THOUGHTS})\b(?:\s[^<>]{{0,200}})?(?<!/)>"
    r"|\[(?P<closes_bracketed>/?)THINK\]"
    r"|◁(?P<closes_pointed>/?)think▷"
)
_OBJECT: Final = r'(?P<object>\{(?=\s*"(?:[^"\\]|\\.){0,100}"\s*:))'
_STRING: Final = r'(?P<string>"(?=(?:\s|\\[nrt])*\{(?:\s|\\[nrt])*\\"))'
_MARK: Final = re.compile(f"{_TAG}|{_OBJECT}|{_STRING}", re.IGNORECASE)
_CLOSING: Final = re.compile(
    rf"<\s*/\s*(?:[a-z]{{1,20}}:)?(?:{_THOUGHTS})\b\s*>|\[/THINK\]|◁/think▷",
    re.IGNORECASE,
)


def _whole_number(digits: str) -> int | float:
    return int(digits) if len(digits) <= _DIGITS_MAX else math.inf


_json = json.JSONDecoder(strict=False, parse_int=_whole_number)  # models put raw line breaks into strings


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a model said outside of its thoughts: its objects in order, and the prose around them. `thought` tells
    whether anything was cut out, `effort` how many characters were read in tries to decode an object."""

    objects: tuple[dict[str, Any], ...]
    prose: str
    thought: bool
    effort: int


def spoken_in(text: str) -> Spoken:
    """What `text` says outside of thoughts. Never raises, and takes time in proportion to the text's length."""
    return _Reading(text, strings=True).read()


def object_in(text: str) -> dict[str, Any] | None:
    """The object that `text` is, nothing around it; None where it is none."""
    text = text.strip()
    if not (text.startswith("{") and text.endswith("}")):
        return None
    value, end, _ = _decoded(text, 0)
    return value if isinstance(value, dict) and end == len(text) else None


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
        return Spoken(tuple(self._objects), "".join(self._prose), self._thought, self._effort)

    def _skip_thought(self, tag: re.Match[str]) -> int:
        """Leave out the thought that `tag` begins or ends. Returns where it is over."""
        self._thought = True
        if tag["closes"] or tag["closes_bracketed"] or tag["closes_pointed"]:
            self._objects.clear()
            self._prose.clear()
            self._prose_at = tag.end()
        else:
            self._prose.append(self._text[self._prose_at : tag.start()])
            closing = _CLOSING.search(self._text, tag.end())
            self._prose_at = len(self._text) if closing is None else closing.end()
        return self._prose_at

    def _take_value(self, start: int) -> int:
        """Keep what the object, or the string with an object, at `start` says. Returns where to look next."""
        if start - self._window_at > _WINDOW_CHARS:  # an error of `json` counts the lines before it
            self._window, self._window_at = self._text[start:], start
        value, end, cost = _decoded(self._window, start - self._window_at)
        end += self._window_at
        self._effort += cost
        if value is None:
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


def _decoded(text: str, start: int) -> tuple[Any, int, int]:
    """The JSON value at `start`, its end, and how many characters were read; None where there is none."""
    try:
        value, end = _json.raw_decode(text, start)
    except json.JSONDecodeError as error:
        read_all = error.msg.startswith("Unterminated string")  # such an error names the string's beginning
        return None, start + 1, (len(text) if read_all else error.pos) - start
    except RecursionError:
        return None, start + 1, len(text) - start
    return value, end, end - start
