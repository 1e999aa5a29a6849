"""What debates are told besides items keeps its bounds, and journals that have none of it read as before."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds.debating import item_of, offer_of

from aragora.debate import journal
from aragora.debate.hints import ISSUE_MAX_CHARS, ISSUES_MAX, OfferedIssue, fitted_issues
from aragora.debate.model import KnowledgeOffered

ISSUE = OfferedIssue("It names no source for the load.", "kn_1", 3, 0.75)


@pytest.mark.parametrize(
    "changes",
    [
        {"text": ""},
        {"text": " "},
        {"text": "x" * (ISSUE_MAX_CHARS + 1)},
        {"text": "Two\nlines."},
        {"item_id": ""},
        {"item_id": "x" * 129},
        {"debates": 0},
        {"effective": 1.1},
        {"effective": float("nan")},
    ],
)
def test_an_issue_that_breaks_a_bound_is_left_out_alone(changes: dict[str, Any]) -> None:
    assert fitted_issues((replace(ISSUE, **changes), replace(ISSUE, item_id="kn_2"))) == (
        replace(ISSUE, item_id="kn_2"),
    )


def test_an_issue_is_named_once_and_a_list_is_short() -> None:
    many = [replace(ISSUE, item_id=f"kn_{number // 2}") for number in range(40)]
    assert [issue.item_id for issue in fitted_issues(many)] == [f"kn_{number}" for number in range(ISSUES_MAX)]


def test_a_journal_of_an_earlier_version_has_no_checklist() -> None:
    row = journal.row_of("deb_1", 2, 1.0, offer_of(item_of(1)))
    old = row.payload.replace(',"checklist":[]', "")
    assert old != row.payload
    assert journal.event_of(old) == offer_of(item_of(1))


@given(
    st.lists(st.builds(OfferedIssue, st.text("abc ", min_size=1), st.text("ab"), st.integers(1, 9), st.floats(0, 1)))
)
def test_what_is_kept_reads_back_from_the_journal(issues: list[OfferedIssue]) -> None:
    event = KnowledgeOffered((item_of(1),), checklist=fitted_issues(issues))
    assert journal.event_of(journal.row_of("deb_1", 2, 1.0, event).payload) == event
