"""Frames around what others wrote, so that no text in a prompt can pose as anything but material.

A frame is an opening line `<<<NAME MARK`, the lines of the text each after `| `, and a closing line `>>>NAME MARK`.

Rules
- No line of a text can be a line of a frame: each begins with `| `, and every line break of Unicode starts a new one.
- Nobody who writes material can know the mark: it is keyed with a secret that the agent's process draws when it starts.
  It stays in prompts, and is the same for all asks of one debate, so that what providers cache of a prompt is of use.
- An agent that tells its own mark gives nothing away: no text holds the mark of its frame, also not in capital, full
  width or mathematical characters or with characters that show nothing in between. Letters of another script that look
  like those of the mark, or letters with accents, are not taken for it.
- Characters that show nothing (of control, of direction, of width zero, tags, fillers) are taken out: they hide
  instructions from people who read along. What scripts and emoji need to be read stays: joiners, at most three in a
  row, and one variation selector after a character that may have one, which a Latin letter may not.

Marking every line of material is the measure of "Defending Against Indirect Prompt Injection Attacks With Spotlighting"
(Hines et al. 2024, https://arxiv.org/abs/2403.14720).
"""

from __future__ import annotations

import hmac
import re
import unicodedata
from collections.abc import Sequence
from typing import Final

from aragora.texts import BLANK, IGNORABLE, JOINERS, SELECTORS

KEY_BYTES: Final = 32
MARK_CHARS: Final = 16
PREFIX: Final = "| "
WITHHELD: Final = "[mark]"  # has letters that no mark has, so that taking one mark out cannot make another

_SHOWING: Final = frozenset("\n\t\u200c\u200d")  # the joiners too
_HIDDEN_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_LINE_BREAK: Final = re.compile("\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_BLANK: Final = re.compile(f"[{BLANK}]")
_HIDDEN: Final = re.compile(f"[{IGNORABLE}]")
_SUSPICIOUS: Final = re.compile(f"[{IGNORABLE}{SELECTORS}{BLANK}]")
_STRAY: Final = re.compile(
    f"(?<=[{JOINERS}]{{3}})[{JOINERS}]+|(?:^|(?<=[\\sA-Za-z{JOINERS}{SELECTORS}]))[{SELECTORS}]+",
    re.MULTILINE,
)
_BETWEEN: Final = re.compile(f"[{IGNORABLE}{JOINERS}{SELECTORS}]")


def mark_of(key: bytes, debate_id: str) -> str:
    """The mark of a debate's frames: hex digits (HMAC-SHA-256 of the id, keyed with `key`)."""
    return hmac.digest(key, debate_id.encode("utf-8", "replace"), "sha256").hex()[:MARK_CHARS]


def framed(name: str, mark: str, text: str) -> str:
    """`text` as the block `name`. The name is ours: one line without the mark."""
    lines = without_mark(visible(text), mark).split("\n")
    body = "\n".join(PREFIX + line for line in lines)
    return f"<<<{name} {mark}\n{body}\n>>>{name} {mark}"


def notes(name: str, mark: str, texts: Sequence[str]) -> str:
    """Notes as the block `name`, each on one line of its own, so that none of them can add another."""
    return framed(name, mark, "\n".join(f"- {one_line(text)}" for text in texts))


def one_line(text: str) -> str:
    """`text` on one line, without characters that show nothing."""
    return " ".join(visible(text).split())


def visible(text: str) -> str:
    """`text` without characters that show nothing, with every line break of Unicode as a line feed. A Braille
    blank is a space."""
    printable = text.replace("\n", "").replace("\t", "").isprintable()
    if printable and (text.isascii() or not _SUSPICIOUS.search(text)):
        return text
    broken = _HIDDEN.sub("", _LINE_BREAK.sub("\n", text))
    shown = "".join(char for char in broken if char in _SHOWING or unicodedata.category(char) not in _HIDDEN_CATEGORIES)
    return _STRAY.sub("", _BLANK.sub(" ", shown))


def without_mark(text: str, mark: str) -> str:
    """`text` without `mark`. Where it stands there, in whatever characters (capital, full width, mathematical, with
    joiners in between), the whole text is given in plain ones."""
    plain = _plain(text)
    return plain.replace(mark, WITHHELD) if mark in plain else text


def _plain(text: str) -> str:
    """`text` in small letters, each character as the simplest that it stands for."""
    if text.isascii():
        return text.casefold()
    return unicodedata.normalize("NFKC", _BETWEEN.sub("", text)).casefold()
