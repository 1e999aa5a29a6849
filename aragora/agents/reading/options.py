r"""The option that a model means, of those a question gives: "yes", "Option: Yes", "2.", "PostgreSQL (version 16)".

Rules, in this order; the first that finds options decides, and finds none where it finds several:
1. the option as it stands; then without case and spaces; then without quotes and marks at its ends,
   and with a space for a hyphen;
2. the same after one leading word ("Option", "Answer", "My choice is", "I vote for"), and after the number that it has
   in the list;
3. the number in the list alone, unless an option begins with a number itself;
4. the option, then a comma, a colon, a dash, a parenthesis or "because", and more; of several the longest, since the
   others are only its beginning;
5. the first words of one option;
6. all this without a box around it (`\boxed{yes}`, `<answer>yes</answer>`).
Never a guess between two: an option that is followed at once by another one ("yes or no") is none.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from aragora.agents.frames import one_line
from aragora.agents.reading.boxes import unboxed
from aragora.agents.reading.marks import DASHES, EMPHASIS, QUOTES, STOPS
from aragora.limits import OPTION_MAX_CHARS

_CHARS_MAX: Final = OPTION_MAX_CHARS * 4
_NAMING_KEYS: Final = ("option", "name", "value", "text", "label", "choice")

_WRAPPING: Final = QUOTES + EMPHASIS + "<>[](){}"
_LEAD: Final = re.compile(
    r"(?:i\s+(?:vote\s+for|choose|pick|select)\s|"
    r"(?:(?:my|the|final)\s+){0,2}(?:option|answer|choice|vote|response|decision|proposal|antwort|wahl|réponse|choix|"
    rf"respuesta|opción|risposta|opzione|resposta|opção|ответ|вариант)(?:\s+is\b)?\s*(?:[:=#]\s*|[{DASHES}]\s+|\s))"
)
_NUMBER: Final = re.compile(rf"[(#\[]*(\d{{1,3}})(?:\s*[.):\]]+\s*|\s+[{DASHES}]\s+|$)")
_JOINED: Final = re.compile(r"(?<=\w)[\s_-]+(?=\w)")
_BEGINS_WITH_NUMBER: Final = re.compile(r"\W*\d")
_FURTHER: Final = re.compile(
    rf"\s*(?:[,;:!.?](?:\s|$)|\(|[{DASHES[:-1]}]|\s-\s|\s(?:because|since|weil|parce que|porque|perché)\b)"
)
_CONNECTED: Final = re.compile(
    rf"\s*(?:,|/|\||&|\+|[{DASHES}]|\band\b|\bor\b|\bund\b|\boder\b|\bet\b|\bou\b|\by\b|\bo\b|\be\b)\s*"
)


def option_of(named: Any, options: Sequence[str]) -> str | None:
    """The one of `options` that `named` is; None where it is none of them for certain."""
    if isinstance(named, list) and len(named) == 1:
        named = named[0]
    if isinstance(named, dict):
        named = next((named[key] for key in _NAMING_KEYS if key in named), None)
    if isinstance(named, int) and not isinstance(named, bool):
        named = str(named) if abs(named) < 10**9 else ""
    if not options or not isinstance(named, str) or len(named) > _CHARS_MAX:
        return None
    if named in options:
        return named
    found = _named_in(_plain(named), options)
    if not found and (bare := unboxed(named)) != named:
        found = _named_in(_plain(bare), options)
    return found[0] if len(found) == 1 else None


def _named_in(text: str, options: Sequence[str]) -> list[str]:
    """The options that the first of the rules finds that finds any."""
    for read in (_equal, _led, _numbered, _begun, _beginning):
        found = read(text, options)
        if found:
            return found
    return []


def conclusion_of(text: str, options: Sequence[str]) -> str | None:
    """The option that is the whole first line or sentence of `text`; None where none is."""
    for end in (text.find("\n"), text.find(". "), len(text)):
        if options and 0 < end <= _CHARS_MAX:
            found = _equal(_plain(text[:end]), options)
            if len(found) == 1:
                return found[0]
    return None


def _equal(text: str, options: Sequence[str]) -> list[str]:
    """The options equal to `text`, compared as strictly as finds any."""
    forms = _forms(tuple(options))
    blanks = text.count(" ") + text.count("-") + text.count("_")
    if len(text.strip(_WRAPPING + STOPS + " ")) - blanks > forms.longest:
        return []  # nearly all answers: no way of comparing makes them as short as an option
    for alike, ways in zip(_ALIKE, forms.ways, strict=True):
        found = ways.get(alike(text))
        if found:
            return list(found)
    return []


@dataclass(frozen=True, slots=True)
class _Forms:
    """For each way of comparing, the options by how they read in it; and the characters of the longest of all."""

    ways: tuple[dict[str, list[str]], ...]
    longest: int


@lru_cache(maxsize=256)
def _forms(options: tuple[str, ...]) -> _Forms:
    """How `options` read; all answers of a debate are compared with them."""
    ways: list[dict[str, list[str]]] = []
    for alike in _ALIKE:
        forms: dict[str, list[str]] = {}
        for option in options:
            if form := alike(_plain(option)):
                forms.setdefault(form, []).append(option)
        ways.append(forms)
    return _Forms(tuple(ways), max((len(form) for forms in ways for form in forms), default=0))


def _led(text: str, options: Sequence[str]) -> list[str]:
    """The options after a leading word, after their number in the list, or after both."""
    lead = _LEAD.match(text.lstrip(_WRAPPING))
    rest = text.lstrip(_WRAPPING)[lead.end() :] if lead else text
    if lead and (found := _equal(rest, options)):
        return found
    number = _NUMBER.match(rest)
    if number is None:
        return _numbered(rest, options) or _begun(rest, options) if lead else []
    if not rest[number.end() :].strip():
        return _numbered(rest, options) if lead else []
    said = rest[number.end() :]
    found = _equal(said, options) or _begun(said, options)
    return found if _place(number[1], options) in found else []


def _numbered(text: str, options: Sequence[str]) -> list[str]:
    """The option with the number that `text` is."""
    number = _NUMBER.fullmatch(text.strip(_WRAPPING + STOPS + " "))
    if number is None or any(_BEGINS_WITH_NUMBER.match(option) for option in options):
        return []
    option = _place(number[1], options)
    return [] if option is None else [option]


def _place(number: str, options: Sequence[str]) -> str | None:
    return options[int(number) - 1] if 1 <= int(number) <= len(options) else None


def _begun(text: str, options: Sequence[str]) -> list[str]:
    """The options with which `text` begins and that more follows; the longest only, none where another follows it."""
    text = text.lstrip(_WRAPPING)
    found = [(len(plain), option) for option in options if _goes_on(text, plain := _bare(_plain(option)))]
    if not found:
        return []
    length = max(found)[0]
    rest = text[length:].lstrip(_WRAPPING)
    connected = _CONNECTED.match(rest)
    after = rest[connected.end() :].lstrip(_WRAPPING) if connected else ""
    for option in options:
        other = _bare(_plain(option))
        if after and other and after.startswith(other) and not after[len(other) : len(other) + 1].isalnum():
            return []
    return [option for size, option in found if size == length]


def _goes_on(text: str, option: str) -> bool:
    return (
        bool(option)
        and text.startswith(option)
        and _FURTHER.match(text[len(option) :].lstrip(QUOTES + EMPHASIS)) is not None
    )


def _beginning(text: str, options: Sequence[str]) -> list[str]:
    """The options whose first words `text` is."""
    words = _bare(text)
    if len(words) < 2:
        return []
    plain = [(option, _bare(_plain(option))) for option in options]
    return [option for option, whole in plain if whole.startswith(words) and not whole[len(words) :][:1].isalnum()]


def _plain(text: str) -> str:
    """`text` on one line, without case and without characters that show nothing."""
    return one_line(text if text.isascii() else unicodedata.normalize("NFKC", text)).casefold()


def _unquoted(text: str) -> str:
    return text.strip(_WRAPPING + " ").rstrip(". ").strip(_WRAPPING + " ")


def _bare(text: str) -> str:
    return text.strip(_WRAPPING + STOPS + " ")


def _spaced(text: str) -> str:
    return _JOINED.sub(" ", _bare(text))


_ALIKE: Final[tuple[Callable[[str], str], ...]] = (str, _unquoted, _bare, _spaced)
