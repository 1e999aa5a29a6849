"""What earlier debates tell a debate besides items: issues that critics are to check. Pure data.

As offered items, it is fixed in the journal before the first ask. It is material: agents are shown it, and told so.

Bounds
    At most `ISSUES_MAX` issues, each one line of at most `ISSUE_MAX_CHARS` characters. `fitted_issues` holds a list to
    that: an issue that breaks a bound is left out, and the rest goes on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

ID_MAX_CHARS: Final = 128
ISSUES_MAX: Final = 5
ISSUE_MAX_CHARS: Final = 200


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


def fitted_issues(issues: Iterable[OfferedIssue]) -> tuple[OfferedIssue, ...]:
    """Those that keep the bounds, in their order, as many as a list may hold; one that comes twice is named once."""
    kept: dict[str, OfferedIssue] = {}
    for issue in issues:
        if len(kept) < ISSUES_MAX and issue.item_id not in kept and _is_sound(issue):
            kept[issue.item_id] = issue
    return tuple(kept.values())


def _is_sound(issue: OfferedIssue) -> bool:
    return (
        0 < len(issue.text) <= ISSUE_MAX_CHARS
        and issue.text == " ".join(issue.text.split())
        and 0 < len(issue.item_id) <= ID_MAX_CHARS
        and 1 <= issue.debates < 2**31
        and 0.0 <= issue.effective <= 1.0
    )
