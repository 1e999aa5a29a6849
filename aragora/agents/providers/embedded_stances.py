"""Which answers come to the same conclusion, as the embedded model can tell: each answer is read by itself, never as
one of a pair. Asked whether two answers agree, a model of this size says yes or no by chance; asked what one answer
says "in one word", it is right most of the time (docs/adr/0006-embedded-model.md has the figures).

How an answer is read depends on the question:
- yes or no ("Should ...?"): the side is the answer's first word, or no where its first clause denies something; else
  the model weighs Yes against No, in comparison with what it says to an answer that takes no side.
- one or the other ("... tea or coffee?"): the side is the alternative that the conclusion names first.
- open, or no alternative named: the model's next words after "In short:", where the answer made them likelier. Two
  answers are alike by the cosine of these words; different numbers in their conclusions part them.

A group holds answers of one side, or answers of which every two are alike (complete linkage).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import combinations
from math import log
from typing import Final

from aragora.agents.frames import one_line
from aragora.agents.providers.embedded_prompts import ANSWER_CHARS, QUESTION_CHARS, flat
from aragora.debate.machine.convergence import conclusion

NO_CONCLUSION: Final = "It depends."
YES: Final = "yes"
NO: Final = "no"

_ALIKE: Final = 0.25  # cosine of the likelier words; chosen on one half of tests/integration/agents/conclusions.toml
_LEANS_TO_YES: Final = -0.55  # log odds beyond those of NO_CONCLUSION; chosen likewise
_RARE: Final = 1e-4  # words that are less likely without the answer count as this likely

_SAID_FIRST: Final = re.compile(r"\W*(yes|no)(?:\s*[,.;:!–—-]|\s+because\b|\s*$)", re.IGNORECASE)  # noqa: RUF001
_DENIES: Final = re.compile(r"\b(?:no|not|never|cannot|neither|nor|nothing|nobody)\b|n['’]t\b")  # noqa: RUF001
_CLAUSE_END: Final = re.compile(r",|;|:|\bbecause\b|\bsince\b")
_ASKS_YES_OR_NO: Final = re.compile(
    r"(?:should|is|are|do|does|did|can|could|will|would|has|have|had|was|were|must|may|shall)\b", re.IGNORECASE
)
_OR_NOT: Final = re.compile(r",?\s+or\s+not\b", re.IGNORECASE)
_NUMBER: Final = re.compile(r"\d+(?:[.,]\d+)*")
_WORD: Final = re.compile(r"[^\W_]+")
_LISTED_WORDS: Final = 2  # of a part of "tea, coffee or milk"; longer parts are no alternatives
_SMALL_WORDS: Final = re.compile(
    r"an?|the|its?|in|to|of|on|for|is|be|are|i|we|you|one|th(?:is|at|ese|ey|ere|eir)|and|or|but|with|by|at|as|from"
    r"|should|would|could|can|will|do|does|did|has|have|had|was|were|must|may|because|since|so|s?he|our|your|best|better"
    r"|good|take|use|choose"
)

# --- Questions --------------------------------------------------------------------------------------------


class Kind(StrEnum):
    """What a question leaves to be said."""

    YES_NO = "yes_no"
    EITHER = "either"
    OPEN = "open"


def kind_of(question: str, answers: Sequence[str]) -> Kind:
    """What `question` asks for. One that could be both is a yes-or-no question where an answer begins so."""
    asked = _asked(question)
    wants_side = _ASKS_YES_OR_NO.match(asked) is not None
    if alternatives(question) and not (wants_side and any(map(_SAID_FIRST.match, answers))):
        return Kind.EITHER
    return Kind.YES_NO if wants_side else Kind.OPEN


def alternatives(question: str) -> tuple[str, ...]:
    """The words that tell the alternatives of `question` apart: those beside its last "or", and those listed before."""
    before, found, after = _asked(question).lower().rpartition(" or ")
    if not found:
        return ()
    *listed, last = before.split(",")
    named = [_content(last)[-1:], _content(after)[:1]]
    if len(_WORD.findall(last)) <= _LISTED_WORDS:
        named += [_content(part)[-1:] for part in listed]
    words = tuple(word for one in named for word in one)
    return words if len(set(words)) > 1 else ()


def _asked(question: str) -> str:
    """The last sentence of `question` that asks something, without "or not"."""
    text = one_line(question)
    sentences = re.split(r"(?<=[.!?])\s+", text)
    asked = next((sentence for sentence in reversed(sentences) if sentence.endswith("?")), text)
    return _OR_NOT.sub("", asked)


def _content(text: str) -> list[str]:
    return [word for word in _WORD.findall(text) if not _SMALL_WORDS.fullmatch(word)]


# --- Answers ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stance:
    """How one answer was read: the side it takes, or (where `side` is empty) the words that say it in short."""

    side: str = ""
    numbers: frozenset[str] = frozenset()
    words: Mapping[str, float] = field(default_factory=dict)

    @property
    def in_short(self) -> str:
        """The side, or the word that the answer made most likely; empty where there is none."""
        return self.side or max(self.words, key=lambda word: self.words[word], default="")


def side_in_words(kind: Kind, question: str, answer: str) -> str:
    """The side that the answer's own words tell for certain enough; empty where the model must be asked."""
    said = _SAID_FIRST.match(answer)
    if said is not None:
        return said[1].lower()
    concluded = _conclusion(answer)
    if kind is Kind.EITHER:
        places = {word: concluded.find(word) for word in alternatives(question) if word in concluded}
        return min(places, key=lambda word: places[word], default="")
    if kind is Kind.YES_NO and _DENIES.search(_CLAUSE_END.split(concluded)[0]):
        return NO
    return ""


def stance(kind: Kind, answer: str, words: Mapping[str, float], without: Mapping[str, float]) -> Stance:
    """How the model reads `answer`: `words` it expects next after it, and `without` a conclusion."""
    if kind is Kind.YES_NO:
        leans = _log_odds(words) - _log_odds(without)
        return Stance(YES if leans > _LEANS_TO_YES else NO)
    likelier = {
        word: share**0.5 * log(share / max(without.get(word, 0.0), _RARE))
        for word, share in words.items()
        if share > max(without.get(word, 0.0), _RARE)
    }
    return Stance("", frozenset(_NUMBER.findall(_conclusion(answer))), likelier)


def _log_odds(words: Mapping[str, float]) -> float:
    return log(max(words.get(YES, 0.0), _RARE) / max(words.get(NO, 0.0), _RARE))


def _conclusion(answer: str) -> str:
    return conclusion(answer).lower()


# --- Groups -----------------------------------------------------------------------------------------------


def groups_of(stances: Mapping[str, Stance]) -> list[list[str]]:
    """The labels of `stances`, those of one conclusion together; the likest pairs are joined first."""
    alike = {frozenset(pair): _alike(stances[pair[0]], stances[pair[1]]) for pair in combinations(stances, 2)}
    groups = [[label] for label in stances]
    for pair, _ in sorted(alike.items(), key=lambda item: -item[1]):
        first, second = (next(group for group in groups if label in group) for label in sorted(pair))
        if first is not second and all(alike[frozenset((a, b))] > _ALIKE for a in first for b in second):
            groups.remove(second)
            first.extend(second)
    return [sorted(group) for group in groups]


def reason_for(groups: Sequence[Sequence[str]], stances: Mapping[str, Stance]) -> str:
    """What each group says in short, as it was read."""
    read = (f"{', '.join(group)}: {stances[group[0]].in_short or 'no word for it'}" for group in groups)
    return f"Read in a word each, {'; '.join(read)}."


def _alike(left: Stance, right: Stance) -> float:
    """From 0 to 1; answers of which only one takes a side are not alike."""
    if left.side or right.side:
        return 1.0 if left.side == right.side else 0.0
    if left.numbers and right.numbers and left.numbers != right.numbers:
        return 0.0
    lengths = sum(x * x for x in left.words.values()) * sum(x * x for x in right.words.values())
    shared = sum(weight * right.words[word] for word, weight in left.words.items() if word in right.words)
    return shared / lengths**0.5 if lengths else 0.0


# --- Prompts ----------------------------------------------------------------------------------------------

_SHOTS: Final[dict[Kind, tuple[tuple[str, str, str], ...]]] = {
    Kind.YES_NO: (
        (
            "Should a small shop accept card payments?",
            "Cards would bring more customers, and the fees are small.",
            "Yes",
        ),
        ("Should a small shop accept card payments?", "The fees are too high for that.", "No"),
        (
            "Should dogs be allowed in the park?",
            "They should stay outside, because children are afraid of them.",
            "No",
        ),
        ("Is it worth buying a good bicycle?", "It lasts for twenty years and needs few repairs.", "Yes"),
        ("Is it worth buying a good bicycle?", "It is not, since the cheap one takes you there as well.", "No"),
        ("Should dogs be allowed in the park?", "Let them in. Dogs need a place to run.", "Yes"),
    ),
    Kind.EITHER: (
        (
            "Is it better to buy or to rent a tool that is used once a year?",
            "The tool is better rented, because a purchase pays off only with frequent use.",
            "rent",
        ),
        ("Should the wall be painted in white or in blue?", "White makes the room larger.", "white"),
        (
            "Should the meal be rice or pasta?",
            "I would cook pasta, as children like it more than rice.",
            "pasta",
        ),
        (
            "Is it better to buy or to rent a tool that is used once a year?",
            "A tool should be owned, since it is then always at hand.",
            "buy",
        ),
        (
            "Should the wall be painted in white or in blue?",
            "It should be blue, because white becomes dirty.",
            "blue",
        ),
        ("Should the meal be rice or pasta?", "Rice, because there is enough of it in the house.", "rice"),
    ),
    Kind.OPEN: (
        (
            "Which pet suits a family that travels a lot?",
            "I would choose a cat, because it copes with being alone.",
            "a cat",
        ),
        (
            "How long should bread be baked?",
            "Forty minutes are right. A shorter time leaves it wet.",
            "forty minutes",
        ),
        ("Why is the room cold?", "Because nobody has closed the window.", "the open window"),
        (
            "What should we cook for the guests?",
            "Nobody dislikes soup, and it can be made the day before.",
            "soup",
        ),
        (
            "How can the road be made safer?",
            "The town should build bumps, so that cars drive slowly.",
            "bumps",
        ),
    ),
}


def stance_prompt(kind: Kind, question: str, answer: str) -> str:
    """What `answer` says to `question`, in a word."""
    shots = "".join(f"{_shown(kind, asked, said)} {short}\n\n" for asked, said, short in _SHOTS[kind])
    return shots + _shown(kind, flat(question, QUESTION_CHARS), flat(answer, ANSWER_CHARS))


def _shown(kind: Kind, question: str, answer: str) -> str:
    return f"Question: {question}\nAnswer: {answer}\n{'In short' if kind is Kind.OPEN else 'In one word'}:"
