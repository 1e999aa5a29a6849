"""Server-sent events as servers really send them, and the document that some send though a stream was asked for.

More tolerant than the standard: a body that begins with a brace or an angle bracket is a document, whatever its type
says; a line of bare JSON, or one named `error`, in the midst of a stream is data. Bytes that are no UTF-8 become halves
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
_DOCUMENTS: Final = (b"{", b"[", b"<")
_BOM: Final = b"\xef\xbb\xbf"
_LINE_END: Final = re.compile(rb"\r\n|\n|\r(?!\n)(?!$)")
_PAIR: Final = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_BYTES: Final = re.compile("[\udc80-\udcff]+")
_HALF: Final = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Event:
    """The data of one event."""

    data: str


@dataclass(frozen=True, slots=True)
class Document:
    """A whole body that is no stream."""

    text: str


class TooLarge(ValueError):
    """A document or line is larger than `MAX_BYTES`."""


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
            if not head:
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
    for event in lines.finish():
        yield event


def objects_in(data: str) -> list[Any]:
    """The JSON of an event; several where a server leaves out the blank lines between them. Raises ValueError."""
    try:
        return [json.loads(data)]
    except RecursionError:
        raise ValueError(data[:_SHOWN_CHARS]) from None
    except ValueError:
        if "\n" not in data:
            raise
        return [json.loads(line) for line in data.split("\n") if line.strip() and line.strip() != DONE]


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


class _Lines:
    """Splits bytes into lines, and lines into events."""

    def __init__(self) -> None:
        self.began = False
        self._left = b""
        self._data: list[str] = []

    def feed(self, piece: bytes) -> Iterator[Event]:
        self.began = True
        *lines, self._left = _LINE_END.split(self._left + piece)
        if len(self._left) > MAX_BYTES:
            raise TooLarge
        for line in lines:
            yield from self._line(_text(line))

    def finish(self) -> Iterator[Event]:
        yield from self._line(_text(self._left))
        yield from self._line("")

    def _line(self, line: str) -> Iterator[Event]:
        if line.startswith("{"):
            yield Event(line)
            return
        name, _, value = line.partition(":")
        if name in ("data", "error"):
            self._data.append(value.removeprefix(" "))
        elif not line.strip() and self._data:
            data, self._data = "\n".join(self._data), []
            yield Event(data)


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
