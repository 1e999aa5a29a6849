"""What a new decision's votes are worth by the outcomes of earlier ones."""

from __future__ import annotations

from dataclasses import replace

import pytest
from worlds.taught import taught

from aragora.knowledge.calibration import Tried, calibrated, curve_of
from aragora.knowledge.confidence import calibration_of
from aragora.knowledge.earning import earned
from aragora.knowledge.model import Basis, Confidence, ItemKind
from aragora.knowledge.mound.adapters import consensus

ADDITIONS = consensus.gather(taught())


def test_under_twenty_outcomes_a_decision_begins_with_its_votes() -> None:
    assert earned(ADDITIONS, curve_of([Tried(0.7, 19, 4)])) == ADDITIONS


def test_from_twenty_on_it_begins_with_what_such_votes_were_worth_and_keeps_what_they_were() -> None:
    curve = curve_of([Tried(0.6, 10, 2), Tried(0.7, 30, 9)])
    decision, *others = earned(ADDITIONS, curve)
    before = ADDITIONS[0].added
    voted = before.sources[0].stated_confidence or 0.0
    assert decision.added.base == pytest.approx(calibrated(voted, curve))
    assert decision.added == replace(before, base=decision.added.base, basis=Basis.CALIBRATED)
    assert tuple(others) == ADDITIONS[1:]
    assert {one.added.statement.kind for one in others} == {ItemKind.DISSENT}


def test_a_confidence_says_whether_its_votes_were_set_right() -> None:
    told = [calibration_of(Confidence(0.5, basis)) for basis in (Basis.VOTED, Basis.CALIBRATED, Basis.CONFIRMED)]
    assert told == ["not calibrated", "calibrated", ""]
