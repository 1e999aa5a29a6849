"""Made worlds whose answers are known by construction, one for each language of `languages.toml`: what holds, what held
once, what was decided, and what nobody knows. The same for the same seed."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import Any, Final

from aragora.knowledge.ledger import Added
from aragora.knowledge.model import Basis, ItemKind, Source, SourceKind, Statement
from aragora.knowledge.planning import Addition

_FILE: Final = Path(__file__).parent / "languages.toml"
_DAY_S: Final = 86_400.0
_STALE_EVERY: Final = 3  # of the facts every third one held another value before


class Kind(StrEnum):
    """What is asked about."""

    FACT = "fact"  # in other words than the statement's
    WORDED = "fact, by its words"
    PRECEDENT = "precedent"  # a decision about a like case, in other words
    UNKNOWN = "nobody knows"  # of another field
    STRANGER = "nobody knows, near miss"  # an attribute that others have, of something nobody knows


@dataclass(frozen=True, slots=True)
class Question:
    """`answer` is the text that must be found, None where there is none."""

    kind: Kind
    text: str
    answer: str | None


@dataclass(frozen=True, slots=True)
class World:
    """`additions` in the order of their writing; `foreign` are of another workspace, like those of this one but for
    their values; `stale` are the texts that no search of now may show."""

    language: str
    script: str
    additions: tuple[Addition, ...]
    foreign: tuple[Addition, ...]
    stale: frozenset[str]
    questions: tuple[Question, ...]


def languages() -> dict[str, dict[str, Any]]:
    """The words of each language, by its name."""
    return tomllib.loads(_FILE.read_text(encoding="utf-8"))


def world_of(language: str, words: dict[str, Any], now: float, seed: int = 14) -> World:
    """The world of a language at `now`, in seconds since the epoch."""
    chance = Random(f"{seed} {language}")
    additions, foreign, stale, questions = [], [], set(), []
    for number, (subject, said, asked) in enumerate(_about(words)):
        held, holds, elsewhere = chance.sample(range(12, 990), 3)

        def fact(value: int, subject: str = subject, said: str = said) -> str:
            return str(words["fact"]).format(a=said, s=subject, v=value)

        about = {"subject": f"{language} {subject}", "relation": said}
        debate = f"{language}_{number}"
        if number % _STALE_EVERY == 0:
            stale.add(fact(held))
            ended = number % (2 * _STALE_EVERY) == 0  # else a later debate decides otherwise
            old = {"valid_to": now - _DAY_S} if ended else {}
            additions.append(
                _addition(fact(held), f"{debate}_before", now - 90 * _DAY_S, value=str(held), **about, **old)
            )
        seen = (f"debate:{debate}_before",)
        additions.append(_addition(fact(holds), debate, now - 9 * _DAY_S, *seen, value=str(holds), **about))
        foreign.append(_addition(fact(elsewhere), f"{debate}_foreign", now - 9 * _DAY_S))
        questions.append(Question(Kind.FACT, words["question"].format(a=asked, s=subject), fact(holds)))
        questions.append(Question(Kind.WORDED, f"{subject} {said}", fact(holds)))
    for number, (done, case, again) in enumerate(words["decisions"]):
        text = words["decision"].format(d=done, c=case)
        debate = f"{language}_decision_{number}"
        additions.append(_addition(text, debate, now - 30 * _DAY_S, kind=ItemKind.DECISION))
        questions.append(Question(Kind.PRECEDENT, words["asked"].format(c=again), text))
    questions += [Question(Kind.UNKNOWN, text, None) for text in words["unknown"]]
    questions += [
        Question(Kind.STRANGER, words["question"].format(a=asked, s=stranger), None)
        for stranger in words["strangers"]
        for _, asked in words["attributes"]
    ]
    return World(language, words["script"], tuple(additions), tuple(foreign), frozenset(stale), tuple(questions))


def _about(words: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """A subject, and an attribute as statements and as questions name it."""
    for subject in words["subjects"]:
        for said, asked in words["attributes"]:
            yield subject, said, asked


def _addition(text: str, debate: str, at: float, *exposed: str, **of: Any) -> Addition:
    source = Source(SourceKind.DEBATE, f"debate:{debate}", at, exposed, debate_id=debate)
    return Addition(Added(Statement(**{"kind": ItemKind.FACT, "content": text, **of}), (source,), 0.8, Basis.VOTED))
