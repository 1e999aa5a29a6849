"""The words of an answer while its JSON is still being written: a person shall see words, and no JSON.

Rules
- Shown are the texts under `answer`, `reason`, `issues` and `suggestions`, in the order in which they are written, one
  below the other; what the model writes outside of a JSON object is not shown.
- What is shown does not depend on how the JSON was cut into pieces: not between characters, not inside an escape, not
  inside a character.
- It is a preview. A text that is no JSON is shown in part or not at all, and never breaks anything.
"""

from __future__ import annotations

import re
from typing import Final

from aragora.agents.providers.events import joined
from aragora.texts import CONTROLS

SHOWN: Final = frozenset({"answer", "reason", "issues", "suggestions"})
_DEEPEST: Final = 64  # objects and lists within each other; what is deeper is no answer
_NAME_MAX_CHARS: Final = 64
_HALVES: Final = re.compile("[\ud800-\udfff]+")
_HALVES_KEPT: Final = 64  # some servers split every character of a script into halves or bytes
_UNSHOWN: Final = re.compile(f"[{CONTROLS}\r]")
_ESCAPES: Final = {"n": "\n", "t": "\t", "b": "", "f": "", "r": ""}
_HALF: Final = "\N{REPLACEMENT CHARACTER}"
_UNICODE_CHARS: Final = 5  # of an escape like u00e9
_HIGH, _LOW, _LAST = 0xD800, 0xDC00, 0xDFFF


class GrowingText:
    """Of one answer."""

    def __init__(self) -> None:
        self._open: list[str] = []  # brackets
        self._awaits_name = False
        self._name = ""  # the last one read
        self._naming: list[str] | None = None  # the name that is being read
        self._in_text = False
        self._shows = False  # the text that is being read
        self._escape: str | None = None  # what has come of one, without its backslash
        self._high: int | None = None  # the first half of a character in two escapes
        self._half = ""  # halves of characters at the end of the last piece
        self._any = False  # something was shown
        self._lost = False

    def feed(self, piece: str) -> str:
        """What the next piece adds to the text that is shown."""
        piece = self._whole(piece)
        shown: list[str] = []
        for char in piece:
            if self._lost:
                break
            if self._in_text:
                self._read(char, shown)
            else:
                self._between(char, shown)
        return _UNSHOWN.sub("", "".join(shown))

    def _whole(self, piece: str) -> str:
        """`piece` with the half of a character that came before it, without one that may still be completed."""
        piece, self._half = self._half + piece, ""
        if halves := _HALVES.match(piece[: -_HALVES_KEPT - 1 : -1]):  # a search for the end tries each half
            piece, self._half = piece[: -halves.end()], piece[-halves.end() :]
        return joined([piece])

    def _between(self, char: str, shown: list[str]) -> None:
        if char == '"' and self._open:
            self._in_text = True
            if self._awaits_name:
                self._naming = []
            elif self._name in SHOWN:
                self._shows = True
                if self._any:
                    shown.append("\n")
                self._any = True
        elif char in "{[" and (self._open or char == "{"):
            self._lost = len(self._open) >= _DEEPEST
            self._open.append(char)
            self._awaits_name = char == "{"
        elif char in "}]" and self._open:
            self._open.pop()
            self._awaits_name = False
        elif char == "," and self._open:
            self._awaits_name = self._open[-1] == "{"
        elif char == ":":
            self._awaits_name = False

    def _read(self, char: str, shown: list[str]) -> None:
        if self._escape is not None:
            self._read_escape(char, shown)
        elif char == "\\":
            self._escape = ""
        elif char == '"':
            self._end_text(shown)
        else:
            self._take(char, shown)

    def _read_escape(self, char: str, shown: list[str]) -> None:
        escape = f"{self._escape}{char}"
        if escape[0] != "u":
            self._escape = None
            self._take(_ESCAPES.get(escape, escape), shown)
        elif len(escape) < _UNICODE_CHARS:
            self._escape = escape
        else:
            self._escape = None
            try:
                self._take_code(int(escape[1:], 16), shown)
            except ValueError:
                self._take(_HALF, shown)

    def _take_code(self, code: int, shown: list[str]) -> None:
        high, self._high = self._high, None
        if high is not None and _LOW <= code <= _LAST:
            self._take(chr(0x10000 + (high - _HIGH) * 0x400 + (code - _LOW)), shown)
            return
        if high is not None:
            self._take(_HALF, shown)
        if _HIGH <= code < _LOW:
            self._high = code
        else:
            self._take(_HALF if _LOW <= code <= _LAST else chr(code), shown)

    def _end_text(self, shown: list[str]) -> None:
        if self._high is not None:
            self._take("", shown)
        if self._naming is not None:
            self._name = "".join(self._naming).strip().lower()
        self._in_text, self._shows, self._naming = False, False, None

    def _take(self, text: str, shown: list[str]) -> None:
        if self._high is not None:  # its other half did not follow
            self._high = None
            text = _HALF + text
        if self._shows:
            shown.append(text)
        elif self._naming is not None and len(self._naming) < _NAME_MAX_CHARS:
            self._naming.append(text)
