"""How many tasks are open, as a writer knows it."""

from __future__ import annotations

import pytest

from aragora.control_plane import machine
from aragora.control_plane.model import NewTask
from aragora.control_plane.store.open_counts import COUNTED_S, OpenCounts
from aragora.control_plane.store.units import Submit, Sweep


def submit(org: str = "org", at: float = 100.0) -> Submit:
    return Submit(machine.submit(NewTask("review", "{}", org_id=org), f"tsk_{org}", at))


def test_a_count_is_used_for_a_second_and_what_is_submitted_is_added() -> None:
    counts = OpenCounts()
    assert counts.unknown([submit(), submit(), Sweep(1.0)]) == ["org"]
    counts.counted({"org": 5}, 100.0)
    counts.submitted([submit(), submit("other")])
    assert counts.most == {"org": 6}
    assert counts.unknown([submit(at=100.0 + COUNTED_S / 2)]) == []
    assert counts.unknown([submit(at=100.0 + COUNTED_S)]) == ["org"]
    assert counts.unknown([submit(at=100.0 - COUNTED_S)]) == ["org"], "the clock was set back"
    assert counts.unknown([submit("other")]) == ["other"]


def test_near_the_bound_every_group_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aragora.control_plane.store.open_counts.OPEN_MAX", 100)
    counts = OpenCounts()
    counts.counted({"org": 87}, 100.0)
    assert counts.unknown([submit(), submit()]) == []
    assert counts.unknown([submit()] * 3) == ["org"]
    counts.submitted([submit()] * 2)
    assert counts.unknown([submit()]) == ["org"]


def test_only_so_many_organisations_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aragora.control_plane.store.open_counts._ORGS_MAX", 2)
    counts = OpenCounts()
    counts.counted({"a": 1, "b": 1}, 100.0)
    assert counts.unknown([submit("b"), submit("c")]) == ["b", "c"], "forgotten, and counted with the rest of its group"
    counts.counted({"b": 1, "c": 1}, 100.0)
    assert counts.most == {"b": 1, "c": 1}
