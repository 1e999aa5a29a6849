"""Places are shared fairly: the laws of the line, in whatever order debates come and go."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.debate.running.places import Places
from aragora.errors import Unavailable

ORGS = ("acme", "birch", "cedar")
Acts = list[tuple[str, str, int]]

acts = st.lists(
    st.tuples(st.sampled_from(["open", "open", "recover", "end", "fail"]), st.sampled_from(ORGS), st.integers(0, 99)),
    max_size=80,
)


class Model:
    """Debates by what became of them, beside the places that are tested."""

    def __init__(self, max_active: int, max_queued: int, share: float) -> None:
        self.places: Places[str] = Places(max_active, max_queued, share)
        self.max_active = max_active
        self.running: list[tuple[str, str]] = []
        self.waiting: list[tuple[str, str]] = []
        self.refused: list[str] = []

    def act(self, kind: str, org_id: str, number: int, name: str) -> None:
        everyone = self.running + self.waiting
        if kind == "end" and everyone:
            gone = everyone[number % len(everyone)]
            (self.running if gone in self.running else self.waiting).remove(gone)
            self.places.leave(*gone)
        elif kind in ("open", "fail"):
            try:
                self.places.claim(org_id)
            except Unavailable:
                self.refused.append(org_id)
                return
            self.places.release(org_id)
            if kind == "open":
                self.line_up(org_id, name)
        elif kind == "recover":
            self.line_up(org_id, name)
        self.start()

    def line_up(self, org_id: str, name: str) -> None:
        self.waiting.append((org_id, name))
        self.places.line_up(org_id, name)

    def start(self) -> None:
        while (started := self.places.start()) is not None:
            one = next(waiting for waiting in self.waiting if waiting[1] == started)
            fewest = min(self._running(org_id) for org_id, _ in self.waiting)
            assert self._running(one[0]) == fewest
            assert one == next(waiting for waiting in self.waiting if waiting[0] == one[0])
            self.waiting.remove(one)
            self.running.append(one)

    def _running(self, org_id: str) -> int:
        return sum(1 for one, _ in self.running if one == org_id)


@given(acts, st.integers(1, 4), st.integers(0, 6), st.sampled_from([0.2, 0.5, 0.8, 1.0]))
def test_no_place_stays_empty_while_somebody_waits_and_the_fewest_running_go_first(
    them: Acts, max_active: int, max_queued: int, share: float
) -> None:
    model = Model(max_active, max_queued, share)
    for number, (kind, org_id, choice) in enumerate(them):
        model.act(kind, org_id, choice, f"deb_{number}")
        assert (model.places.running, model.places.waiting) == (len(model.running), len(model.waiting))
        assert len(model.running) == min(max_active, len(model.running) + len(model.waiting))
        assert sorted(model.places.in_line()) == sorted(name for _, name in model.waiting)
    came = len(model.running) + len(model.waiting)
    for _ in range(came):
        model.act("end", "", 0, "")
    assert model.running == model.waiting == []


@given(st.lists(st.sampled_from(ORGS), min_size=1, max_size=40), st.integers(1, 3))
def test_whoever_is_in_line_is_served_once_each_other_organisation_had_its_turn(
    them: list[str], max_active: int
) -> None:
    model = Model(max_active, 100, 1.0)
    for number, org_id in enumerate(them):
        model.line_up(org_id, f"deb_{number}")
    model.start()
    while model.waiting:
        before = list(model.waiting)
        for _ in range(len(ORGS) * max_active):
            model.act("end", "", 0, "")
        served = {org_id for org_id, name in before if (org_id, name) not in model.waiting}
        assert served == {org_id for org_id, _ in before}


@given(st.integers(2, 12), st.integers(0, 40), st.sampled_from([0.2, 0.5, 0.8]))
def test_however_much_others_want_a_newcomer_finds_a_place(max_active: int, max_queued: int, share: float) -> None:
    places: Places[int] = Places(max_active, max_queued, share)
    held: dict[str, int] = defaultdict(int)
    for number in range(max_active + max_queued):
        org_id = ORGS[number % 2]
        try:
            places.claim(org_id)
        except Unavailable:
            continue
        places.release(org_id)
        places.line_up(org_id, number)
        held[org_id] += 1
    assert max(held.values()) <= share * (max_active + max_queued) + 1
    if max_active + max_queued > len(held) * (1 + share / (1 - share)):  # below that a place is a large part of all
        places.claim("newcomer")


@given(st.integers(1, 5), st.integers(0, 20))
def test_a_share_of_all_lets_one_organisation_hold_every_place(max_active: int, max_queued: int) -> None:
    places: Places[int] = Places(max_active, max_queued)
    for number in range(max_active + max_queued):
        places.claim("local")
        places.release("local")
        places.line_up("local", number)
    with pytest.raises(Unavailable) as refused:
        places.claim("local")
    assert (refused.value.code, refused.value.retry_after_s) == ("full", 5.0)
    assert f"{max_active} debates run and {max_queued} wait" in refused.value.message


def test_who_is_over_its_share_is_told_so_while_others_are_let_in() -> None:
    places: Places[int] = Places(2, 8, 0.5)
    for number in range(5):
        places.claim("greedy")
        places.release("greedy")
        places.line_up("greedy", number)
    with pytest.raises(Unavailable, match="your organisation holds 5 of 10 places") as refused:
        places.claim("greedy")
    assert refused.value.code == "full"
    places.claim("other")
