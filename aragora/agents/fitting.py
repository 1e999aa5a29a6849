"""What of a brief a model is shown whose context is too small for all of it. Pure.

Rules
- The question, its options and the Trickster's challenge are shown whole, or nothing is.
- Then, in this order, as far as there is room: the agent's own answer; the other answers, all cut to one length, so
  that the longest are shortened first; what was said against them, the newest first and no answer spared more of it
  than another; suggestions, the newest first; offered knowledge, the best first, each item whole and with its dissent;
  what earlier debates tell besides, the first ones first; the context.
- Every answer keeps at least its conclusion: its first sentence, and those after it where that one is so short that it
  may be a heading, a number or an abbreviation. Nobody can vote on what it did not see.
- Answers are cut where a sentence ends, the context where a paragraph does.
- Nothing is cut in silence: a mark in the text tells the model, a remark tells the readers of the record.
- Labels, and the order of what is shown, stay as they were.

`size` says how many tokens a brief takes when it is rendered; it is asked for every choice, so that what is shown fits
whatever frames and marks add to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from typing import Any, Final

from aragora.debate.model import Brief, Candidate
from aragora.limits import BYTES_PER_TOKEN

CONCLUSION_MIN_CHARS: Final = 40
"""A first sentence that is shorter says nothing alone: "## Answer", "1.", "Dr."."""
CONCLUSION_MAX_CHARS: Final = 300
"""As much of a conclusion is always shown."""

_SENTENCE_END: Final = re.compile(r"[.!?…]+[\"')\]»”]*(?=\s|$)|[\u3002\uff01\uff1f]|\n")
_PARAGRAPH_END: Final = re.compile(r"\n\s*\n|\n")
_SPACE: Final = re.compile(r"\s")
_ENOUGH: Final = 0.5  # of the room: an end of a sentence before that is passed over for the end of a word
_NO_MORE: Final = "its model takes no more"
_OFFERED: Final = ("knowledge", "checklist", "priors", "cruxes")
"""The fields of what a debate was offered, in the order in which they are shown."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """What is shown. `remarks` say what is not; empty where nothing is left out."""

    brief: Brief
    remarks: tuple[str, ...] = ()


def fit(brief: Brief, budget_tokens: int, size: Callable[[Brief], int]) -> Fitted | None:
    """As much of `brief` as `budget_tokens` hold by `size`; None where that is less than must be shown."""

    def fits(shown: Brief) -> bool:
        return size(shown) <= budget_tokens

    if fits(brief):
        return Fitted(brief)
    shown = _least(brief)
    if not fits(shown):
        return None
    shown = _with_own(brief, shown, fits)
    shown = _with_answers(brief, shown, fits)
    objections = _kept(
        _objections_first(brief),
        brief.critiques,
        budget_tokens - size(shown),
        lambda kept: fits(replace(shown, critiques=_noted(brief.critiques, kept))),
    )
    shown = replace(shown, critiques=_noted(brief.critiques, objections))
    suggestions = _kept(
        range(len(brief.suggestions) - 1, -1, -1),
        brief.suggestions,
        budget_tokens - size(shown),
        lambda kept: fits(replace(shown, suggestions=_noted(brief.suggestions, kept))),
    )
    shown = replace(shown, suggestions=_noted(brief.suggestions, suggestions))
    shown = _with_knowledge(brief, shown, fits)
    shown = _with_context(brief, shown, fits)
    return Fitted(shown, _remarks(brief, shown, len(objections), len(suggestions)))


def _least(brief: Brief) -> Brief:
    """What must be shown, with marks where the rest was."""
    return replace(
        brief,
        own=_shortened(brief.own, 0),
        candidates=tuple(Candidate(one.label, _shortened(one.text, 0)) for one in brief.candidates),
        critiques=_noted(brief.critiques, ()),
        suggestions=_noted(brief.suggestions, ()),
        context=_cut(brief.context, 0, _PARAGRAPH_END),
        knowledge=(),
        checklist=(),
        priors=(),
        cruxes=(),
    )


def _with_own(brief: Brief, shown: Brief, fits: Callable[[Brief], bool]) -> Brief:
    def at(most: int) -> Brief:
        return replace(shown, own=_shortened(brief.own, most))

    return _largest(len(brief.own), at, fits)


def _with_answers(brief: Brief, shown: Brief, fits: Callable[[Brief], bool]) -> Brief:
    def at(most: int) -> Brief:
        texts = (Candidate(one.label, _shortened(one.text, most)) for one in brief.candidates)
        return replace(shown, candidates=tuple(texts))

    return _largest(max((len(one.text) for one in brief.candidates), default=0), at, fits)


def _with_knowledge(brief: Brief, shown: Brief, fits: Callable[[Brief], bool]) -> Brief:
    """As many of the offered items, and then of the rest, as there is room for: a cut one might say something else."""
    for name in _OFFERED:
        for one in getattr(brief, name):
            changes: dict[str, Any] = {name: (*getattr(shown, name), one)}
            more = replace(shown, **changes)
            shown = more if fits(more) else shown
    return shown


def _with_context(brief: Brief, shown: Brief, fits: Callable[[Brief], bool]) -> Brief:
    def at(most: int) -> Brief:
        return replace(shown, context=_cut(brief.context, most, _PARAGRAPH_END))

    return _largest(len(brief.context), at, fits)


def _kept(
    first: Sequence[int], notes: Sequence[str], room: int, fit_with: Callable[[Sequence[int]], bool]
) -> Sequence[int]:
    """Which of `notes` are shown: as many as have room, in the order in which they come `first`."""
    kept: list[int] = []
    for index in first:
        cost = len(notes[index].encode(errors="replace")) // BYTES_PER_TOKEN
        if cost <= room:
            kept.append(index)
            room -= cost
    while kept and not fit_with(kept):
        kept.pop()
    return kept


def _largest(most: int, at: Callable[[int], Brief], fits: Callable[[Brief], bool]) -> Brief:
    """The brief `at` the largest number up to `most` that fits; `at` 0 it does."""
    low, best = 0, at(0)
    high = most
    while low < high:
        middle = (low + high + 1) // 2
        tried = at(middle)
        if fits(tried):
            low, best = middle, tried
        else:
            high = middle - 1
    return best


def _objections_first(brief: Brief) -> list[int]:
    """The order in which objections are kept: of each answer the newest, then of each the one before, and so on, so
    that no answer on a ballot is spared more criticism than another."""
    labels = [one.label for one in brief.candidates]
    of: dict[str, list[int]] = {}
    for index in range(len(brief.critiques) - 1, -1, -1):
        label = brief.critiques[index].partition(": ")[0]
        of.setdefault(label if label in labels else "", []).append(index)
    return [index for index in chain.from_iterable(zip_longest(*of.values())) if index is not None]


def _noted(notes: Sequence[str], kept: Sequence[int]) -> tuple[str, ...]:
    """Those of `notes` that are `kept`, in their order, and a mark where there are more."""
    shown = tuple(notes[index] for index in sorted(kept))
    return shown if len(shown) == len(notes) else (*shown, f"[{len(shown)} of {len(notes)} shown]")


def _shortened(text: str, most: int) -> str:
    """An answer, cut at the end of a sentence to at most `most` characters or its conclusion."""
    ends = (end.end() for end in _SENTENCE_END.finditer(text))
    conclusion = next((end for end in ends if len(text[:end].strip()) >= CONCLUSION_MIN_CHARS), len(text))
    return _cut(text, max(most, min(conclusion, CONCLUSION_MAX_CHARS)), _SENTENCE_END)


def _cut(text: str, most: int, ends: re.Pattern[str]) -> str:
    """`text`, cut to at most `most` characters where one of the `ends` is, or a word ends, with a mark behind it."""
    if len(text) <= most:
        return text
    shown = text[: _place(text, most, ends)].rstrip()
    mark = f"[shortened: {len(shown):,} of {len(text):,} characters shown]"
    return f"{shown} {mark}" if shown else mark


def _place(text: str, most: int, ends: re.Pattern[str]) -> int:
    """Where to cut: at the last end within `most` characters, unless that loses too much of them."""
    for pattern in (ends, _SPACE):
        found = [end.end() for end in pattern.finditer(text, 0, most)]
        if found and found[-1] >= most * _ENOUGH:
            return found[-1]
    return most


def _remarks(brief: Brief, shown: Brief, objections: int, suggestions: int) -> tuple[str, ...]:
    told = [
        _share_of("its own answer", brief.own, shown.own),
        _answers_cut(brief.candidates, shown.candidates),
        _not_seen(objections, len(brief.critiques), "objections"),
        _not_seen(suggestions, len(brief.suggestions), "suggestions"),
        _not_seen(len(shown.knowledge), len(brief.knowledge), "offered items"),
        _not_seen(len(shown.checklist), len(brief.checklist), "issues of earlier debates"),
        _not_seen(len(shown.priors), len(brief.priors), "positions of earlier debates"),
        _not_seen(len(shown.cruxes), len(brief.cruxes), "open cruxes"),
        _share_of("the context", brief.context, shown.context),
    ]
    return tuple(f"{remark}: {_NO_MORE}" for remark in told if remark)


def _share_of(what: str, whole: str, shown: str) -> str:
    return "" if shown == whole else f"saw {_seen(whole, shown):,} of {len(whole):,} characters of {what}"


def _answers_cut(whole: Sequence[Candidate], shown: Sequence[Candidate]) -> str:
    cut = [(one, of) for one, of in zip(shown, whole, strict=True) if one != of]
    if not cut:
        return ""
    seen = ", ".join(f"{one.label} {_seen(of.text, one.text):,} of {len(of.text):,}" for one, of in cut)
    return f"saw the beginnings of {len(cut)} of {len(whole)} answers ({seen} characters)"


def _not_seen(shown: int, whole: int, what: str) -> str:
    return "" if shown == whole else f"did not see {whole - shown} of {whole} {what}"


def _seen(whole: str, shown: str) -> int:
    """How many characters of `whole` are in `shown`, which is cut and marked."""
    return len(shown.rpartition("[shortened: ")[0].rstrip()) if shown != whole else len(whole)
