"""Approvals under any order of answers, duplicates, late words, reminders and escalations."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds.approvals import DAY, NOW, a_policy, an_approval, answered, said

from aragora.errors import AragoraError, Conflict, Forbidden
from aragora.workflows.approving import (
    Answerer,
    ApprovalState,
    answer,
    can_bypass,
    can_resolve,
    next_moment,
    overdue,
    settled,
    took,
)
from aragora.workflows.definition import Approval, Escalation
from aragora.workflows.model import ApprovalAnswered, ApprovalClosed, ApprovalStatus, Event, Verdict
from aragora.workflows.quorum import asked, fulfilled, needs_of

ROLES = ("legal", "finance", "owner")
PEOPLE = [
    Answerer(person, roles, may_bypass=person in ("dan", "req"))
    for person, roles in [
        ("ann", ()),
        ("bob", ("legal",)),
        ("cat", ("legal", "finance")),
        ("dan", ("owner",)),
        ("req", ROLES),
        ("aut", ROLES),
    ]
]
WHO = st.sampled_from([*(f"user:{one.person}" for one in PEOPLE), *(f"role:{role}" for role in ROLES)])
SOME = st.lists(WHO, min_size=1, max_size=4, unique=True).map(tuple)


@st.composite
def policies(draw: st.DrawFn) -> Approval:
    chain = draw(st.lists(st.builds(Escalation, approvers=SOME, deadline_s=st.sampled_from([60.0, DAY])), max_size=2))
    return a_policy(
        *draw(SOME),
        quorum=draw(st.sampled_from(["one", "all", "one_per_role", 2, 3])),
        veto=draw(st.booleans()),
        allow_requester=draw(st.booleans()),
        allow_author=draw(st.booleans()),
        on_expiry=draw(st.sampled_from(["expire", "approve"])),
        remind_before_s=draw(st.sampled_from([None, 30.0, DAY / 2])),
        escalations=tuple(chain),
    )


WORDS = st.tuples(st.sampled_from(PEOPLE), st.sampled_from(Verdict), st.booleans(), st.sampled_from([0.0, 40.0, DAY]))


class Told:
    """An approval and all that was written about it."""

    def __init__(self, state: ApprovalState) -> None:
        self.first = self.state = state
        self.events: list[tuple[Event, float]] = []
        self.settle(NOW)

    def settle(self, at: float) -> None:
        end = settled(self.state)
        if end is not None:
            self.write(end, at)

    def write(self, event: Event, at: float) -> None:
        self.events.append((event, at))
        self.state = took(self.state, event, at)

    def pass_time(self, at: float) -> None:
        due = next_moment(self.state)
        assert (overdue(self.state, at) is not None) == (due is not None and due <= at)
        while (event := overdue(self.state, at)) is not None:
            self.write(event, at)
            self.settle(at)

    def hear(self, who: Answerer, verdict: Verdict, at: float, *, bypass: bool) -> None:
        state, before = self.state, self.state.answers.get(who.person)
        may = can_bypass(state, who, at) if bypass else can_resolve(state, who, at)[0]
        word = said(state, verdict, comment="so", bypass=bypass)
        try:
            event = answer(state, who, word, at, f"ans_{len(self.events)}")
        except Forbidden:
            assert not may
            assert state.status is ApprovalStatus.PENDING
            assert before is None
        except Conflict:
            assert not may
        except AragoraError:
            assert bypass
            assert verdict is Verdict.ABSTAIN
        else:
            assert (event is before) or may
            if event is not before:
                assert answer(took(state, event, at), who, word, at, "ans_again") == event
                self.write(event, at)
                self.settle(at)


def people_counted(told: Told) -> list[str]:
    return list(fulfilled(told.state.policy, told.state.level, told.state.answers.values()).values())


@given(policies(), st.lists(WORDS, max_size=25))
def test_an_approval_is_closed_once_and_nobody_counts_twice_or_against_the_rules(
    policy: Approval, words: list[tuple[Answerer, Verdict, bool, float]]
) -> None:
    told, at = Told(an_approval(policy)), NOW
    for who, verdict, bypass, pause in words:
        at += pause
        told.pass_time(at)
        told.hear(who, verdict, at, bypass=bypass)
    told.pass_time(at + 10 * DAY)
    told.pass_time(at + 20 * DAY)
    told.pass_time(at + 30 * DAY)
    assert told.state.status is not ApprovalStatus.PENDING
    assert [type(event) for event, _ in told.events].count(ApprovalClosed) == 1
    assert isinstance(told.events[-1][0], ApprovalClosed)
    by = [event.person for event, _ in told.events if isinstance(event, ApprovalAnswered)]
    assert len(set(by)) == len(by)
    assert not set(by) & set(told.state.barred)
    counted = people_counted(told)
    assert len(set(counted)) == len(counted)
    bypassed = any(one.bypass for one in told.state.answers.values())
    if told.state.status is ApprovalStatus.APPROVED and policy.on_expiry == "expire" and not bypassed:
        assert len(counted) == len(needs_of(policy)) > 0
    if told.state.status is ApprovalStatus.EXPIRED and policy.veto:
        assert all(one.verdict is not Verdict.REJECT for one in told.state.answers.values())
    again = told.first
    for event, when in told.events:
        again = took(again, event, when)
    assert again == told.state


@given(SOME, st.sampled_from(["all", "one_per_role"]), st.sets(st.integers(0, len(PEOPLE) - 1), max_size=4))
def test_the_most_needs_are_fulfilled_that_can_be(approvers: tuple[str, ...], quorum: Any, chosen: set[int]) -> None:
    policy = a_policy(*approvers, quorum=quorum, veto=False, allow_requester=True, allow_author=True)
    state, able = an_approval(policy), []
    for one in (PEOPLE[number] for number in sorted(chosen)):
        names = {f"user:{one.person}", *(f"role:{role}" for role in one.roles)}
        if names & set(asked(policy, 0)):
            able.append(names)
            event = answer(state, one, said(state), NOW, "ans_1")
            state = took(state, event, NOW)
    needs = needs_of(policy)
    seats = [*range(len(able)), *([None] * len(needs))]
    best = max(
        (sum(seat is not None and need in able[seat] for need, seat in zip(needs, order, strict=False)))
        for order in permutations(seats, len(needs))
    )
    assert len(fulfilled(policy, 0, state.answers.values())) == best


@pytest.mark.parametrize("first", ["ann", "bob"])
def test_whoever_answers_first_of_two_closes_it_and_the_other_is_told(first: str) -> None:
    other = {"ann": "bob", "bob": "ann"}[first]
    state = answered(an_approval(), first, Verdict.REJECT)
    with pytest.raises(Conflict, match=f"{first} rejected it") as caught:
        answer(state, Answerer(other), said(state), NOW + 2, "ans_2")
    assert caught.value.code == "already_rejected"
