"""What earlier debates tell a debate besides items: issues that critics are to check, where independent debates of the
same question stand, and the claims that divided them. Pure data.

As offered items, it is fixed in the journal before the first ask. It is material: agents are shown it, and told so.

Bounds
    At most `ISSUES_MAX` issues of `ISSUE_MAX_CHARS` characters, `PRIORS_MAX` priors and `CRUXES_MAX` cruxes of
    `HINT_MAX_CHARS`, each on one line. `fitted_issues`, `fitted_priors` and `fitted_cruxes` hold them to that: what
    breaks a bound is left out, and the rest goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypeVar

ID_MAX_CHARS: Final = 128
ISSUES_MAX: Final = 5
ISSUE_MAX_CHARS: Final = 200
PRIORS_MAX: Final = 5
CRUXES_MAX: Final = 3
HINT_MAX_CHARS: Final = 200

T = TypeVar("T", "OfferedIssue", "OfferedPrior", "OfferedCrux")


@dataclass(frozen=True, slots=True)
class OfferedIssue:
    """What earlier critiques found. Stored in journals: a field's name never changes.

    `item_id` is the item that says it, and `text` its words, shortened. `debates` counts those in which critics came to
    it on their own; `effective` is the share (0..1) of debates in which the criticised answer was revised or lost.
    """

    text: str
    item_id: str
    debates: int
    effective: float


@dataclass(frozen=True, slots=True)
class OfferedPrior:
    """What independent debates of the same question make of one position. Stored in journals: a field's name never
    changes.

    `item_id` is the item of the decision, and `position` what it chose. `share` (0..1) is how likely it is by the
    votes of these debates; `debates` of them chose it, out of `of`.
    """

    position: str
    item_id: str
    share: float
    debates: int
    of: int


@dataclass(frozen=True, slots=True)
class OfferedCrux:
    """A claim that divided those who voted in earlier debates of the same question, and that nothing has settled since.
    Stored in journals: a field's name never changes. `item_id` is the item that says it, `debates` counts those that it
    divided."""

    text: str
    item_id: str
    debates: int


def fitted_issues(issues: Iterable[OfferedIssue]) -> tuple[OfferedIssue, ...]:
    """Those that keep the bounds, in their order, as many as a list may hold; one that comes twice is named once."""
    return _fitted(issues, ISSUES_MAX, lambda one: _is_line(one.text, ISSUE_MAX_CHARS) and 0.0 <= one.effective <= 1.0)


def fitted_priors(priors: Iterable[OfferedPrior]) -> tuple[OfferedPrior, ...]:
    """Those that keep the bounds, in the same way."""
    return _fitted(
        priors,
        PRIORS_MAX,
        lambda one: (
            _is_line(one.position, HINT_MAX_CHARS) and 0.0 <= one.share <= 1.0 and one.debates <= one.of < 2**31
        ),
    )


def fitted_cruxes(cruxes: Iterable[OfferedCrux]) -> tuple[OfferedCrux, ...]:
    """Those that keep the bounds, in the same way."""
    return _fitted(cruxes, CRUXES_MAX, lambda one: _is_line(one.text, HINT_MAX_CHARS))


def line_of(text: str, most: int) -> str:
    """`text` on one line of at most so many characters; what was left out is told."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 2].rstrip()} \N{HORIZONTAL ELLIPSIS}"


def told(prior: OfferedPrior) -> str:
    """A prior as agents and people read it."""
    return f"{prior.position}: {prior.share:.2f} over {prior.of} independent debates, {prior.debates} of them for it"


def _fitted(hints: Iterable[T], most: int, is_sound: Callable[[T], bool]) -> tuple[T, ...]:
    kept: dict[str, T] = {}
    for one in hints:
        known = one.item_id in kept or not 0 < len(one.item_id) <= ID_MAX_CHARS
        if len(kept) < most and not known and 1 <= one.debates < 2**31 and is_sound(one):
            kept[one.item_id] = one
    return tuple(kept.values())


def _is_line(text: str, most: int) -> bool:
    return 0 < len(text) <= most and text == " ".join(text.split())
