"""Which decisions may be given again, whose versions took part, and where an entry stands."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.debate.model import DebateStatus
from aragora.decisions.admission import Ended, Who, why_not
from aragora.decisions.agent_versions import is_version, used
from aragora.decisions.entry import CLAIM_S, Entry, Standing, State

GOOD = Ended(reached=True, confidence=0.8, participation=Who())


def reason(
    decision: Ended | None = GOOD,
    status: DebateStatus = DebateStatus.COMPLETED,
    *,
    people: bool = False,
    receipt: bool = True,
) -> str | None:
    return why_not(status, decision, people=people, receipt=receipt, least=0.6)


def test_an_undisturbed_decision_with_consensus_is_given_again() -> None:
    assert reason() is None
    assert reason(replace(GOOD, confidence=0.6)) is None


@pytest.mark.parametrize(
    ("decision", "told"),
    [
        (None, "without a decision"),
        (replace(GOOD, reached=False), "no consensus"),
        (replace(GOOD, confidence=0.59), "confidence"),
        (replace(GOOD, confidence=float("nan")), "confidence"),
        (replace(GOOD, stopped_by="budget"), "budget"),
        (replace(GOOD, signatures=("ann",)), "signed"),
        (replace(GOOD, participation=Who(("bob failed",))), "not every agent"),
    ],
)
def test_what_would_not_be_the_same_again_is_not(decision: Ended | None, told: str) -> None:
    assert told in (reason(decision) or "")


def test_people_a_missing_receipt_and_every_other_end_keep_it_from_being_given_again() -> None:
    assert "people" in (reason(people=True) or "")
    assert "receipt" in (reason(receipt=False) or "")
    for status in DebateStatus:
        assert (reason(status=status) is None) == (status is DebateStatus.COMPLETED)


@pytest.mark.parametrize(
    ("model", "version", "is_it"),
    [
        ("claude-3-5-sonnet-20241022", "3.5", True),
        ("claude-3-5-sonnet-20241022", "v3.5", True),
        ("claude-3-5-sonnet-20241022", "claude-3.5", True),
        ("claude-sonnet-4-5", "4", True),
        ("claude-sonnet-4-5", "3.5", False),
        ("gpt-4o", "4", True),
        ("gpt-35-turbo", "3.5", False),
        ("gpt-5", "", False),
        ("gpt-5", "  ", False),
        ("gpt-5", "...", False),
    ],
)
def test_a_version_means_models(model: str, version: str, is_it: bool) -> None:
    assert is_version(model, version) is is_it


def test_an_agent_is_meant_by_its_name_its_persona_or_the_family_of_its_model() -> None:
    agents = {"anthropic-api@skeptic": "claude-3-5-sonnet", "gpt": "gpt-4.1"}
    assert used(agents, "anthropic-api", "3.5")
    assert used(agents, "anthropic-api@skeptic", "3.5")
    assert used(agents, "claude", "3.5")
    assert not used(agents, "claude", "4.1")
    assert not used(agents, "anthropic", "3.5")
    assert not used({}, "claude", "3.5")


ENTRY = Entry(
    "k", "deb_1", "q", Standing(0, "1"), 100.0, 101.0, 110.0, 200.0, DebateStatus.COMPLETED, "{}", 0.1, 105.0, "r"
)


def test_an_entry_is_where_its_debate_is() -> None:
    now = Standing(0, "1")
    assert ENTRY.state(now, 199.9) is State.KEPT
    assert ENTRY.state(now, 200.0) is State.STALE
    assert ENTRY.state(Standing(1, "1"), 150.0) is State.STALE
    assert ENTRY.state(Standing(0, "2"), 150.0) is State.STALE
    assert replace(ENTRY, receipt=None).state(now, 150.0) is State.STALE
    assert replace(ENTRY, kept_at=None, ends_at=None).state(now, 150.0) is State.ENDED
    assert replace(ENTRY, status=DebateStatus.ACTIVE, kept_at=None).state(now, 150.0) is State.RUNNING
    claimed = replace(ENTRY, status=None, opened_at=None, kept_at=None)
    assert claimed.state(now, 100.0 + CLAIM_S - 1) is State.OPENING
    assert claimed.state(now, 100.0 + CLAIM_S) is State.STALE
    assert replace(claimed, opened_at=101.0).state(now, 102.0) is State.STALE, "its debate was deleted"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_no_clock_makes_an_age_negative(now: float) -> None:
    assert ENTRY.age_s(now) >= 0.0
