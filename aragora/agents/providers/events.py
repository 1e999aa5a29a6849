"""Server-sent events as servers really send them, and the document that some send though a stream was asked for.

More tolerant than the standard: a body that begins with a brace or an angle bracket is a document, whatever its type
says, and so is a body of other words without any event; a line of bare JSON, one named `error`, and JSON over several
lines (pretty-printed, behind `data:` or bare) are data in the midst of a stream. Bytes that are no UTF-8 become halves
of characters, so that a character that was split over two events can be joined again (`joined`).
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any, Final

DONE: Final = "[DONE]"
MAX_BYTES: Final = 8_000_000  # of a document, or of one line of a stream
_DOCUMENTS: Final = (b"{", b"[", b"<", b'"')
_FIELDS: Final = frozenset({"", "data", "error", "event", "id", "retry"})
_FIELD: Final = re.compile(r"\s*(?:data|error|event|id|retry)?\s*:", re.IGNORECASE)
_ERROR: Final = "error"
_BOM: Final = b"\xef\xbb\xbf"
_LINE_END: Final = re.compile(rb"\r\n|\n|\r(?!\n)(?!$)")
_PAIR: Final = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_BYTES: Final = re.compile("[\udc80-\udcff]+")
_HALF: Final = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Event:
    """The data of one event; `tells_error` where it is named so."""

    data: str
    tells_error: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """A whole body that is no stream."""

    text: str


class TooLarge(ValueError):
    """A document, a line or the data of an event is larger than `MAX_BYTES`."""


async def arrivals(body: AsyncIterator[bytes]) -> AsyncIterator[Event | Document]:
    """What a body brings: events, or one document. Raises TooLarge, and what `body` raises."""
    head = b""
    whole: list[bytes] | None = None
    lines = _Lines()
    size = 0
    async for piece in body:
        if whole is not None:
            size += len(piece)
            if size > MAX_BYTES:
                raise TooLarge
            whole.append(piece)
            continue
        if not lines.began:
            head = (head + piece).removeprefix(_BOM).lstrip()
            if _BOM.startswith(head):  # nothing yet, or a part of it
                continue
            if head.startswith(_DOCUMENTS):
                whole, size = [head], len(head)
                continue
            piece = head  # noqa: PLW2901  what came before it was blank
        for event in lines.feed(piece):
            yield event
    if whole is not None:
        yield Document(_text(b"".join(whole)))
        return
    for last in lines.finish():
        yield last


def is_done(data: str) -> bool:
    """Whether the data of an event says that nothing more comes."""
    return data.strip().strip('"').upper() == DONE


def objects_in(data: str) -> list[Any]:
    """The JSON of an event; several where a server leaves out the blank lines between them. Raises ValueError."""
    try:
        return [json.loads(data)]
    except RecursionError:
        raise ValueError(data[:_SHOWN_CHARS]) from None
    except ValueError:
        if "\n" not in data:
            raise
        return [json.loads(line) for line in data.split("\n") if line.strip() and not is_done(line)]


def joined(pieces: list[str]) -> str:
    """The text of all pieces, with characters made whole that were split over two; a half that stays alone becomes a
    replacement character."""
    text = "".join(pieces)
    if _HALF.search(text) is None:
        return text
    text = _PAIR.sub(lambda pair: _utf16(pair.group()), text)
    text = _BYTES.sub(lambda run: _bytes(run.group()), text)
    text = _PAIR.sub(lambda pair: _utf16(pair.group()), text)
    return _HALF.sub("\N{REPLACEMENT CHARACTER}", text)


_SHOWN_CHARS: Final = 100
_WORDS_CHARS: Final = 2_000


class _Lines:
    """Splits bytes into lines, and lines into events."""

    def __init__(self) -> None:
        self.began = False
        self._words = ""  # the first that stand in no field, where no event was told
        self._left: list[bytes] = []  # of a line whose end has not come
        self._left_size = 0
        self._data: list[str] = []
        self._data_size = 0  # with a line break each
        self._tells_error = False
        self._told = False

    def feed(self, piece: bytes) -> Iterator[Event]:
        self.began = True
        if b"\n" in piece or b"\r" in piece or (self._left and self._left[-1].endswith(b"\r")):
            *lines, left = _LINE_END.split(b"".join((*self._left, piece)))
            self._left, self._left_size = [left], len(left)
            for line in lines:
                yield from self._line(_text(line))
        else:
            self._left.append(piece)  # what is there already is not looked through once more
            self._left_size += len(piece)
        if self._left_size + self._data_size > MAX_BYTES:
            raise TooLarge

    def finish(self) -> Iterator[Event | Document]:
        yield from self._line(_text(b"".join(self._left)))
        yield from self._line("")
        if self._words:
            yield Document(self._words)

    def _line(self, line: str) -> Iterator[Event]:
        if self._data and _is_begun(self._data[0]) and line.strip() and not _FIELD.match(line):
            self._data.append(line)  # JSON over several lines
            self._data_size += len(line) + 1
            return
        if line.startswith("{"):
            if _is_begun(line):
                self._data, self._data_size = [line], len(line) + 1
            else:
                yield self._event(line)
            return
        name, _, value = line.partition(":")
        name = name.strip().lower()
        if name in ("data", _ERROR):
            self._tells_error |= name == _ERROR
            self._data.append(value.removeprefix(" "))
            self._data_size += len(value) + 1
        elif name == "event":
            self._tells_error = value.strip() == _ERROR
        elif not line.strip():
            if self._data:
                data, self._data, self._data_size = "\n".join(self._data), [], 0
                yield self._event(data)
            self._tells_error = False
        elif name not in _FIELDS and not self._told and len(self._words) < _WORDS_CHARS:
            self._words = f"{self._words}\n{line[:_WORDS_CHARS]}".lstrip()

    def _event(self, data: str) -> Event:
        self._told, self._words = True, ""
        return Event(data, self._tells_error)


def _is_begun(line: str) -> bool:
    """Whether an object begins on this line and ends on another."""
    return line.startswith("{") and not line.rstrip().endswith("}")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _utf16(pair: str) -> str:
    return pair.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def _bytes(run: str) -> str:
    raw = run.encode("utf-8", "surrogateescape")
    try:
        return raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return raw.decode("utf-8", "replace")
