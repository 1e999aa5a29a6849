"""What debates are told besides items keeps its bounds, and journals that have none of it read as before."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds.debating import item_of, offer_of

from aragora.debate import journal
from aragora.debate.hints import (
    CRUXES_MAX,
    HINT_MAX_CHARS,
    ISSUE_MAX_CHARS,
    ISSUES_MAX,
    PRIORS_MAX,
    OfferedCrux,
    OfferedIssue,
    OfferedPrior,
    fitted_cruxes,
    fitted_issues,
    fitted_priors,
)
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


def test_a_journal_of_an_earlier_version_has_none_of_it() -> None:
    row = journal.row_of("deb_1", 2, 1.0, offer_of(item_of(1)))
    old = row.payload.replace(',"checklist":[],"priors":[],"cruxes":[]', "")
    assert old != row.payload
    assert journal.event_of(old) == offer_of(item_of(1))


PRIOR = OfferedPrior("three", "kn_1", 0.73, 2, 3)
CRUX = OfferedCrux("The disk is the bottleneck.", "kn_1", 2)


@pytest.mark.parametrize(
    "changes",
    [
        {"position": ""},
        {"position": "x" * (HINT_MAX_CHARS + 1)},
        {"position": "Two\nlines."},
        {"item_id": ""},
        {"share": 1.1},
        {"share": float("nan")},
        {"debates": 0},
        {"debates": 4},
        {"of": 2**31},
    ],
)
def test_a_prior_that_breaks_a_bound_is_left_out_alone(changes: dict[str, Any]) -> None:
    other = replace(PRIOR, item_id="kn_2")
    assert fitted_priors((replace(PRIOR, **changes), other)) == (other,)


@pytest.mark.parametrize("changes", [{"text": ""}, {"text": "x" * 201}, {"item_id": ""}, {"debates": 0}])
def test_a_crux_that_breaks_a_bound_is_left_out_alone(changes: dict[str, Any]) -> None:
    other = replace(CRUX, item_id="kn_2")
    assert fitted_cruxes((replace(CRUX, **changes), other)) == (other,)


def test_there_are_few_priors_and_cruxes() -> None:
    assert len(fitted_priors(replace(PRIOR, item_id=f"kn_{number}") for number in range(40))) == PRIORS_MAX
    assert len(fitted_cruxes(replace(CRUX, item_id=f"kn_{number}") for number in range(40))) == CRUXES_MAX


lines = st.text("abc ", min_size=1)
ids = st.text("ab")
counts = st.integers(1, 9)


@given(
    st.lists(st.builds(OfferedIssue, lines, ids, counts, st.floats(0, 1))),
    st.lists(st.builds(OfferedPrior, lines, ids, st.floats(0, 1), counts, counts)),
    st.lists(st.builds(OfferedCrux, lines, ids, counts)),
)
def test_what_is_kept_reads_back_from_the_journal(
    issues: list[OfferedIssue], priors: list[OfferedPrior], cruxes: list[OfferedCrux]
) -> None:
    kept = (fitted_issues(issues), fitted_priors(priors), fitted_cruxes(cruxes))
    event = KnowledgeOffered((item_of(1),), None, *kept)
    assert journal.event_of(journal.row_of("deb_1", 2, 1.0, event).payload) == event
