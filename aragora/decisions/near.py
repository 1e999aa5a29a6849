"""When two questions are one in other words: the gate of near matches. Pure.

Two questions pass it where their gists are equal. A gist is the question's words in their order, without those that
never change what is asked (articles, politeness, fillers), with contractions written out, numbers written in one way,
and case folded where it tells nothing. So what follows is never passed over: another content word, a number, a unit, a
date or a name, a negation, a preposition or a comparison, another order. Words of the same meaning are different words
here: the gate rather misses than mistakes.
"""

from __future__ import annotations

import re
from typing import Final
from unicodedata import normalize

_EMPTY: Final = frozenset(("a", "an", "the", "please", "really", "actually", "basically"))
_OPENINGS: Final = re.compile(  # what people write before a question, once or twice
    r"^\s*(?:(?:"
    r"(?:hi|hello|hey)(?: there| all| everyone| team)?[,.!]"
    r"|good (?:morning|afternoon|evening)[,.!]"
    r"|dear (?:all|team|agents|council)[,.!]"
    r"|(?:a )?(?:quick|short|simple) question[:,]"
    r"|in your (?:honest )?(?:opinion|view),?"
    r"|do you (?:think|believe)(?: that)?"
    r"|(?:can|could|would) you (?:please )?(?:tell|advise) (?:me|us)[:,]?"
    r")\s+)+"
)
_CLOSINGS: Final = re.compile(r"(?<=[?.!])\s*(?:many )?(?:thanks|thank you)(?: in advance)?\s*[.!]*\s*$")
_QUESTION_TAG: Final = re.compile(r",\s*(?:right|correct)\s*\?\s*$")
_CONTRACTED: Final = (
    (re.compile(r"\bcan't\b"), "can not"),
    (re.compile(r"\bcannot\b"), "can not"),
    (re.compile(r"\bwon't\b"), "will not"),
    (re.compile(r"\bshan't\b"), "shall not"),
    (re.compile(r"(?<=\w)n't\b"), " not"),
    (re.compile(r"(?<=\w)'re\b"), " are"),
    (re.compile(r"(?<=\w)'ve\b"), " have"),
    (re.compile(r"(?<=\w)'ll\b"), " will"),
    (re.compile(r"(?<=\w)'m\b"), " am"),
    (re.compile(r"\b(what|it|that|there|who|where|how)'s\b"), r"\1 is"),
)
_NUMBERS: Final = {
    word: str(value)
    for value, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
            "twenty",
        ]
    )
    if word != "one"  # also a pronoun
}
_THOUSANDS: Final = re.compile(r"(?<![\w.,])(\d{1,3}(?:,\d{3})+)(?![\w,]|\.\d+,)")
_PERCENT: Final = re.compile(r"\bper cent\b|\bpercent\b")
_TOKEN: Final = re.compile(
    r"\d+(?:[.,:/-]\d+)*"  # numbers, times, dates and versions, each whole
    r"|[^\W\d_]+(?:['][^\W\d_]+)*"  # words
    r"|[^\w\s.,;:!?\"“”„«»()\[\]…–—-]"  # signs that say something: % $ € + # < > = & @ / *  # noqa: RUF001
    r"|_+"
)
_WORD: Final = re.compile(r"[^\W\d_]+")
_MINUS: Final = re.compile(r"(?<![\w.])[-\N{MINUS SIGN}](?=\d)")


def gist(question: str) -> tuple[str, ...]:
    """The words of `question` that say what is asked, in order."""
    plain = normalize("NFKC", question).replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    plain = _THOUSANDS.sub(lambda found: found[1].replace(",", ""), plain)
    plain = _MINUS.sub(" minus ", plain)
    shouted = plain.isupper()
    folded = _told(_cased(plain, shouted=shouted))
    tokens = [_NUMBERS.get(token, token) for token in _TOKEN.findall(folded)]
    return tuple(token for token in tokens if token not in _EMPTY) or tuple(tokens)


def near(left: str, right: str) -> bool:
    """Whether the two questions are one."""
    return gist(left) == gist(right)


def _cased(text: str, *, shouted: bool) -> str:
    """`text` with its case folded, but for what capitals tell: `US` is not `us`, and the A of `plan A` is no article.
    Such words keep their capitals, which no folded word has."""
    if shouted:
        return text.casefold()
    return _WORD.sub(lambda found: _word(found[0], first=found.start() == 0), text.strip())


def _word(word: str, *, first: bool) -> str:
    tells = word.isascii() and word.isupper() and (len(word) > 1 or (not first and word == "A"))
    return word if tells else word.casefold()


def _told(text: str) -> str:
    for contracted, whole in _CONTRACTED:
        text = contracted.sub(whole, text)
    text = _QUESTION_TAG.sub("?", _CLOSINGS.sub("", _OPENINGS.sub("", text)))
    return _PERCENT.sub("%", text)
