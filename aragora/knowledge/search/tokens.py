"""The one tokenizer of full text: what SQLite's FTS5 and PostgreSQL index, and what both are asked for. Pure.

Both have tokenizers of their own, which disagree with each other, with their versions and with the locale of the
database, and both have a query language, which inputs like `don't` or `a-b` break. So neither sees a text: each gets
tokens that it takes as they are.

Rules
- A text is folded first (`aragora.knowledge.search.folding`): case, width, marks, invisible characters.
- A word is a run of letters, marks and digits. Words that `_ - . / ' : & * ~ @ # $ + \\` connect without a space are an
  identifier: its parts are tokens, and so is the whole (`retry_budget`, `GB/s`, `20.04`, `don't`, `@x`, `c++`).
- Scripts without spaces (Chinese, Japanese, Korean, Thai, Khmer ...) give overlapping pairs of characters. A document
  has the single characters too, which only a query of one character asks for.
- A symbol that is not ASCII (an emoji, `€`, `≥`) is a token. Punctuation is none.
- A token is `[a-z][a-z0-9]*` or digits, and stands for itself; whatever else is written as `zx` and the hex digits of
  its UTF-8. A word of digits and letters is written so too: PostgreSQL splits `5e647e3b5` into a number and a rest.
  Beyond 256 bytes it is `zy` and a digest: PostgreSQL leaves out what is longer than 2,046.
- Tokens of tokens are the same tokens.
- A query matches what has any of its tokens; ranking puts first what has more, and rarer ones.

A query without any word or symbol has no tokens. `fts5_query` and `tsquery` refuse it, so that it never passes for one
that found nothing.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import chain, islice, pairwise
from typing import Final

from aragora.errors import InvalidInput, TooLarge
from aragora.knowledge.search.folding import folded

DOCUMENT_MAX_CHARS: Final = 20_000
"""Of a text, before and after folding. The tokens of the worst text of this length stay below the megabyte that
PostgreSQL keeps of one document."""
QUERY_READ_CHARS: Final = 20_000
"""What lies beyond in a query is not read: as much as the question of a debate may have."""
QUERY_MAX_TOKENS: Final = 128
"""The first distinct ones of a query count."""

_WORD_MAX_BYTES: Final = 256
_DIGEST_HEX: Final = 32
_WRITTEN: Final = "zx"
_DIGESTED: Final = "zy"
_AS_IT_IS: Final = re.compile(r"[a-z][a-z0-9]*|[0-9]+")
_OURS: Final = re.compile(rf"{_WRITTEN}(?:[0-9a-f]{{2}}){{1,{_WORD_MAX_BYTES}}}|{_DIGESTED}[0-9a-f]{{{_DIGEST_HEX}}}")
_TOKEN: Final = re.compile(r"[a-z0-9]+")
_REMEMBERED: Final = 16_384
_SHORT: Final = 48  # characters of a word that is remembered with its tokens
_Characters = Callable[[str], Iterator[str]]

# What a character is, as one letter: of a word, a digit, of a script without spaces (unspaced), a symbol, nothing.
# The characters that connect words stand for themselves.
_LETTER, _DIGIT, _UNSPACED, _SYMBOL, _NOTHING = "wdus "
_CONNECTORS: Final = frozenset("_-./':&*~@#$+\\,%")
_SYMBOLS: Final = frozenset({"So", "Sm", "Sc", "Sk"})
_REPLACEMENT: Final = "\ufffd"
_WITHOUT_SPACES: Final = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf\u1b00-\u1b7f\u2e80-\u2fdf"
    "\u3005-\u3007\u3021-\u3029\u3031-\u303c\u3040-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua48f\ua960-\ua9ff"
    "\uaa60-\uaadf\uac00-\ud7ff\uf900-\ufaff\U00016fe0-\U00018dff\U0001aff0-\U0001b2ff\U00020000-\U0003ffff]"
)
_RUNS: Final = re.compile(
    r"(?P<unspaced>u+)|(?P<symbol>s)"
    r"|(?P<identifier>(?:[@#$]|__?|--?)?[wd]+(?:(?:[_./':&*~@#$+\\-]{1,3}|(?<=d),(?=d))[wd]+)*(?:\+\+|[#%]|__?)?)"
)
_PARTS: Final = re.compile(r"[wd]+")


class _Kinds(dict[int, str]):
    """For `str.translate`: what each character is."""

    def __missing__(self, point: int) -> str:
        kind = _kind(chr(point))
        if len(self) < _REMEMBERED:  # a bound for hostile texts
            self[point] = kind
        return kind


_KINDS: Final = _Kinds()


def document_tokens(text: str) -> str:
    """The tokens of a text to be indexed, with a space between: in order, as often as they occur. Empty where the text
    has none. Raises TooLarge above DOCUMENT_MAX_CHARS."""
    _check_length(text)
    plain = folded(text)
    _check_length(plain)
    return " ".join(_tokens(plain, _indexed_characters))


def query_tokens(text: str) -> tuple[str, ...]:
    """The distinct tokens of a query, at most QUERY_MAX_TOKENS; empty where there is nothing to look for."""
    plain = folded(text[:QUERY_READ_CHARS])[:QUERY_READ_CHARS]
    return tuple(islice(dict.fromkeys(_tokens(plain, _sought_characters)), QUERY_MAX_TOKENS))


def word_of(token: str) -> str:
    """The folded word that a token stands for; empty where the token is the digest of a long one, and the token itself
    where somebody wrote it who only looks like this tokenizer."""
    if _OURS.fullmatch(token) is None:
        return token
    if token.startswith(_DIGESTED):
        return ""
    try:
        word = bytes.fromhex(token.removeprefix(_WRITTEN)).decode()
    except UnicodeDecodeError:
        return token
    return word if word.isprintable() else token


def is_unspaced(text: str) -> bool:
    """Whether `text` is one or more characters of scripts without spaces."""
    return bool(text) and all(map(_WITHOUT_SPACES.match, text))


def fts5_query(tokens: Sequence[str]) -> str:
    """What FTS5 is asked (`MATCH`) to find texts with any of `tokens`. Raises InvalidInput where there are none,
    ValueError where one is not of this tokenizer."""
    return " OR ".join(f'"{token}"' for token in _checked(tokens))


def tsquery(tokens: Sequence[str]) -> str:
    """What PostgreSQL is asked (`to_tsquery('simple', ...)`, or a cast to `tsquery`) to find texts with any of
    `tokens`. Raises as `fts5_query`."""
    return " | ".join(f"'{token}'" for token in _checked(tokens))


def _checked(tokens: Sequence[str]) -> Sequence[str]:
    if not tokens:
        raise InvalidInput(
            "The query has neither a word nor a symbol to look for; add one.", code="nothing_to_look_for"
        )
    for token in tokens:
        if not _TOKEN.fullmatch(token):
            raise ValueError("this is no token; make them with query_tokens")
    return tokens


def _check_length(text: str) -> None:
    if len(text) > DOCUMENT_MAX_CHARS:
        raise TooLarge(f"A text can be found by its words up to {DOCUMENT_MAX_CHARS:,} characters; shorten it.")


def _tokens(plain: str, characters_of: _Characters) -> Iterator[str]:
    return chain.from_iterable(  # no run goes on beyond white space
        _of_short(piece, characters_of) if len(piece) <= _SHORT else _of_piece(piece, characters_of)
        for piece in plain.split()
    )


@lru_cache(maxsize=_REMEMBERED)
def _of_short(piece: str, characters_of: _Characters) -> tuple[str, ...]:
    """Most words of a text were met before: a search reads hundreds of texts."""
    return tuple(_of_piece(piece, characters_of))


def _of_piece(plain: str, characters_of: _Characters) -> Iterator[str]:
    kinds = plain.translate(_KINDS)
    for run in _RUNS.finditer(kinds):
        text = plain[run.start() : run.end()]
        if run.lastgroup == "unspaced":
            yield from map(_token, characters_of(text))
        elif run.lastgroup == "symbol":
            yield _token(text)
        else:
            yield from _of_identifier(text, run[0])


def _of_identifier(text: str, kinds: str) -> Iterator[str]:
    parts = [text[part.start() : part.end()] for part in _PARTS.finditer(kinds)]
    yield from map(_token, parts)
    if parts != [text]:
        yield _token(text)


def _indexed_characters(run: str) -> Iterator[str]:
    yield from run
    yield from map("".join, pairwise(run))


def _sought_characters(run: str) -> Iterator[str]:
    if len(run) == 1:
        yield run
    yield from map("".join, pairwise(run))


def _token(word: str) -> str:
    if _OURS.fullmatch(word):
        return word
    if len(word) <= _WORD_MAX_BYTES and _AS_IT_IS.fullmatch(word):
        return word
    written = word.encode()
    if len(written) <= _WORD_MAX_BYTES:
        return _WRITTEN + written.hex()
    return _DIGESTED + hashlib.sha256(written).hexdigest()[:_DIGEST_HEX]


def _kind(char: str) -> str:
    category = unicodedata.category(char)
    if char in _CONNECTORS:
        return char
    if category == "Nd":
        return _DIGIT
    if category[0] in "LMN" or category in ("Cn", "Co"):  # unassigned: a letter of a newer Unicode
        return _UNSPACED if _WITHOUT_SPACES.match(char) else _LETTER
    if category in _SYMBOLS and not char.isascii() and char != _REPLACEMENT:
        return _SYMBOL
    return _NOTHING
