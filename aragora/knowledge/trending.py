"""What a workspace asks about of late: the questions of its debates by topic. Pure, no model.

Rules
- Questions are one where their digests are (`aragora.debate.knowledge.question_digest`).
- Questions of a topic share two or more of the words that say what they are about (`aragora.knowledge.decisive`), or
  the only one of one of them; and these are enough of both: cosine `ALIKE` or more. A word of one question only binds
  it to no other; one of more than half of many questions tells nothing apart.
- The question with the most debates leads a topic, the newest of several; each further one joins the leader whose
  words it shares the most. So a topic does not drift from one question to the next, and the order of the debates does
  not matter.
- A topic's recency is the sum over its debates of 0.5 ** (age in days / `HALF_LIFE_DAYS`): a debate that ended now
  counts 1, one of a week ago a half. The highest comes first.
- It rises where at least `RISING_LEAST` of its debates ended in the last `LAST_DAYS` days, and these are a larger share
  of all since the `BEFORE_DAYS` days before than an even rate would make them, by the lower bound of the 95 % interval
  of that share (Wilson). So neither one debate rises against none, nor three against two.
- Whether it rises is not told where the debates that are known do not reach back `COMPARED_DAYS` days before those last
  ones. Where they reach back less than `BEFORE_DAYS`, the even rate is that of the days there are.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum, log, sqrt
from typing import Final
from unicodedata import normalize

from aragora.knowledge.calibration import wilson
from aragora.knowledge.decisive import READ_CHARS, as_spelt, decisive_words
from aragora.knowledge.mound.adapters.pulse import DAY_S
from aragora.knowledge.search.tokens import is_unspaced

DEBATES_MAX: Final = 500
"""Of the newest debates so many are looked at."""
DAYS_MAX: Final = 90
TOPICS_MAX: Final = 20
DAYS: Final = 30
TOPICS: Final = 10
"""Unless something else is asked for."""

HALF_LIFE_DAYS: Final = 7.0
LAST_DAYS: Final = 7
BEFORE_DAYS: Final = 21
COMPARED_DAYS: Final = 7
RISING_LEAST: Final = 3

ALIKE: Final = 0.4  # of the words of two questions. Judgement, not measurement
SHARED_MIN: Final = 2
COMMON_FROM: Final = 8  # questions: of fewer, none has a word too often
NAME_WORDS: Final = 3
NAME_CHARS: Final = 60
EXAMPLE_CHARS: Final = 280
_RUN_CHARS: Final = 24  # of a script without spaces, of one word of a name


@dataclass(frozen=True, slots=True)
class PastDebate:
    """One that ended `at` (seconds since the epoch). `key` is the digest of its question, of which the first characters
    are enough; `reached`: it came to a decision."""

    debate_id: str
    question: str
    key: str
    at: float
    reached: bool
    domain: str = ""


@dataclass(frozen=True, slots=True)
class Topic:
    """What several questions are about, or a single one.

    Attributes:
        name: its most telling words, in the order of a question.
        domain: that of most of its debates; empty where none is known.
        debates, questions: how many debates of the days that were asked for, of how many different questions.
        decided: of these debates those that reached a decision.
        recency: see above; of these debates.
        last, before: debates of the last `LAST_DAYS` days, and of the `BEFORE_DAYS` before.
        rising: whether it is asked more often than before; None where that cannot be told.
        question, debate_id, at: the newest of its debates, the first characters of its question, and when it ended.
    """

    name: str
    domain: str
    debates: int
    questions: int
    decided: int
    recency: float
    last: int
    before: int
    rising: bool | None
    question: str
    debate_id: str
    at: float


@dataclass(frozen=True, slots=True)
class _Question:
    """One question with its debates, the newest first."""

    key: str
    words: tuple[str, ...]
    debates: tuple[PastDebate, ...]


def topics(seen: Iterable[PastDebate], now: float, days: int, limit: int = TOPICS_MAX) -> tuple[Topic, ...]:
    """Up to `limit` topics of the debates that ended in the last `days` days before `now`, the most recent first; those
    before serve to tell what rises. Each debate counts once, and their order does not matter."""
    debates = sorted({one.debate_id: one for one in seen}.values(), key=_newest_first)[:DEBATES_MAX]
    if not debates:
        return ()
    compared = _compared_days(debates[-1].at, now)
    questions = _questions(debates)
    held = Counter(word for one in questions for word in one.words)
    groups: dict[str, list[_Question]] = {}
    names: dict[str, str] = {}
    for group in _grouped(questions, held):
        name = _name(group, held, len(questions))
        groups.setdefault(name.casefold(), []).extend(group)  # two of one name would read as a mistake
        names.setdefault(name.casefold(), name)
    told = (_topic(names[key], group, now, days, compared) for key, group in groups.items())
    found = [one for one in told if one is not None]
    return tuple(sorted(found, key=lambda one: (-one.recency, one.name, one.debate_id))[:limit])


def _newest_first(debate: PastDebate) -> tuple[float, str]:
    return -debate.at, debate.debate_id


def _age_days(debate: PastDebate, now: float) -> float:
    return max(0.0, now - debate.at) / DAY_S


def _compared_days(oldest: float, now: float) -> float | None:
    """How many days before the last ones are known, `BEFORE_DAYS` at most; None where these are too few."""
    known = min(float(BEFORE_DAYS), (now - oldest) / DAY_S - LAST_DAYS)
    return known if known >= COMPARED_DAYS else None


def _questions(debates: Sequence[PastDebate]) -> list[_Question]:
    """The questions of these debates, which come the newest first; those with the most debates first."""
    by_key: dict[str, list[PastDebate]] = {}
    for one in debates:
        by_key.setdefault(one.key, []).append(one)
    found = [_Question(key, decisive_words(of[0].question), tuple(of)) for key, of in by_key.items()]
    return sorted(found, key=lambda one: (-len(one.debates), *_newest_first(one.debates[0])))


# --- Groups


def _grouped(questions: Sequence[_Question], held: Mapping[str, int]) -> list[list[_Question]]:
    """Each question with the first before it whose words are like its own, the most alike of several."""
    common = len(questions) / 2 if len(questions) >= COMMON_FROM else len(questions)
    groups: list[list[_Question]] = []
    leaders: list[tuple[int, int]] = []  # of each, how many words it has, and how many of these bind
    leading: dict[str, list[int]] = {}  # by word, the groups whose leader has it
    for question in questions:
        binding = [word for word in question.words if 1 < held[word] <= common]
        shared = Counter(number for word in binding for number in leading.get(word, ()))
        near = {
            number: count / sqrt(len(binding) * leaders[number][1])
            for number, count in shared.items()
            if count >= min(SHARED_MIN, len(question.words), leaders[number][0])
        }
        best = max(near, key=lambda number: (near[number], -number), default=None)
        if best is not None and near[best] >= ALIKE:
            groups[best].append(question)
            continue
        for word in binding:
            leading.setdefault(word, []).append(len(groups))
        groups.append([question])
        leaders.append((len(question.words), len(binding)))
    return groups


# --- Names


def _name(group: Sequence[_Question], held: Mapping[str, int], questions: int) -> str:
    """The words that most of the group have and few others do, in the order and spelling of the question that has most
    of them; the question itself where there are none."""
    inside = Counter(word for one in group for word in one.words)
    central = {word for word, count in inside.items() if 2 * count > len(group)}
    example = max(group, key=lambda one: (len(central.intersection(one.words)), one.debates[0].at, one.key))
    worth = {word: inside[word] / len(group) * log(1.0 + questions / held[word]) for word in central}
    runs = _runs(word for word in example.words if word in central)
    scored = [(max(worth[word] for word in words), text[:_RUN_CHARS]) for text, words in runs]
    chosen: list[int] = []
    for place in sorted(range(len(scored)), key=lambda one: (-round(scored[one][0], 9), -len(scored[one][1]), one)):
        parts = {part for one in chosen for part in re.split(r"[\W_]+", scored[one][1])}  # of identifiers
        if scored[place][1] not in parts:
            chosen.append(place)
        if len(chosen) == NAME_WORDS:
            break
    text = normalize("NFKC", example.debates[0].question[:READ_CHARS])
    name = " ".join(as_spelt(scored[place][1], text) for place in sorted(chosen))
    return _cut(name or _line(text), NAME_CHARS)


def _runs(words: Iterable[str]) -> list[tuple[str, list[str]]]:
    """These words of a question in their order, where overlapping pairs of a script without spaces are joined; each
    with the words that it is of."""
    runs: list[tuple[str, list[str]]] = []
    for word in words:
        if runs and len(word) == 2 and is_unspaced(word):
            text, of = runs[-1]
            if is_unspaced(text) and text[-1] == word[0]:
                runs[-1] = text + word[1], [*of, word]
                continue
        runs.append((word, [word]))
    return runs


def _line(text: str) -> str:
    return " ".join(text.split())


def _cut(text: str, chars: int) -> str:
    return text if len(text) <= chars else f"{text[: chars - 1].rstrip()}…"


# --- Counts


def _topic(name: str, group: Sequence[_Question], now: float, days: int, compared: float | None) -> Topic | None:
    """The topic as it is told; None where no debate of it ended in the days that are asked for."""
    everything = [debate for question in group for debate in question.debates]
    debates = sorted((one for one in everything if _age_days(one, now) <= days), key=_newest_first)
    if not debates:
        return None
    newest = debates[0]
    last = sum(_age_days(one, now) <= LAST_DAYS for one in everything)
    before = sum(LAST_DAYS < _age_days(one, now) <= LAST_DAYS + BEFORE_DAYS for one in everything)
    domains = Counter(one.domain for one in debates if one.domain)
    return Topic(
        name=name,
        domain=min(domains, key=lambda one: (-domains[one], one), default=""),
        debates=len(debates),
        questions=len({one.key for one in debates}),
        decided=sum(one.reached for one in debates),
        recency=fsum(0.5 ** (_age_days(one, now) / HALF_LIFE_DAYS) for one in debates),
        last=last,
        before=before,
        rising=None if compared is None else _rises(last, before, compared),
        question=_cut(_line(newest.question), EXAMPLE_CHARS),
        debate_id=newest.debate_id,
        at=newest.at,
    )


def _rises(last: int, before: int, compared: float) -> bool:
    return last >= RISING_LEAST and wilson(last, last + before)[0] > LAST_DAYS / (LAST_DAYS + compared)
