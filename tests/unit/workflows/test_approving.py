"""The rules of one approval: who may answer, what closes it, what time does. A1 to A8: what users of others report."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from worlds.approvals import ADMIN, DAY, NOW, SHOWN, a_policy, an_approval, answered, said

from aragora.errors import AragoraError, Conflict, Forbidden, InvalidInput
from aragora.workflows.approval_content import digest_of
from aragora.workflows.approving import (
    ANSWERS_MAX,
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
from aragora.workflows.definition import ChecklistItem, Escalation
from aragora.workflows.model import (
    ApprovalClosed,
    ApprovalEscalated,
    ApprovalReminded,
    ApprovalStatus,
    ExecutionPaused,
    Mode,
    Verdict,
)

YES, NO, NEITHER = Verdict.APPROVE, Verdict.REJECT, Verdict.ABSTAIN
PENDING, APPROVED, REJECTED = ApprovalStatus.PENDING, ApprovalStatus.APPROVED, ApprovalStatus.REJECTED
ANN, BOB = Answerer("ann"), Answerer("bob")
LEGAL, FINANCE = Answerer("lea", ("legal",)), Answerer("fin", ("finance",))
ITEMS = (ChecklistItem(id="read", label="Read it"), ChecklistItem(id="told", label="Told them", required=False))


def refusal(state: ApprovalState, who: Answerer = ANN, at: float = NOW + 1, **changes: Any) -> tuple[type, str, str]:
    """The class, code and words with which an answer is refused."""
    verdict = changes.pop("verdict", YES)
    with pytest.raises(AragoraError) as caught:
        answer(state, who, said(state, verdict, **changes), at, "ans_1")
    return type(caught.value), caught.value.code, caught.value.message


def timed(state: ApprovalState, at: float) -> ApprovalState:
    """The approval once all that time does by then is done."""
    while (event := overdue(state, at)) is not None:
        state = took(state, event, at)
    return state


def by_all(state: ApprovalState, *answers: tuple[Answerer | str, Verdict]) -> ApprovalState:
    for who, verdict in answers:
        state = answered(state, who, verdict)
    return state


# --- A1: quorum, veto, abstaining


def test_a1_one_approval_suffices_unless_more_are_wanted() -> None:
    state = answered(an_approval(), "bob")
    assert (state.status, state.why, state.closed_at) == (APPROVED, "Approved by bob.", NOW + 1)
    two = an_approval(a_policy("user:ann", "user:bob", "user:cat", quorum=2))
    assert answered(two, "ann").status is PENDING
    assert by_all(two, ("ann", YES), ("cat", YES)).status is APPROVED


def test_a1_all_wants_everybody_named_and_one_person_of_each_role() -> None:
    state = an_approval(a_policy("user:ann", "role:legal", "role:finance", quorum="all"))
    assert by_all(state, ("ann", YES), (LEGAL, YES)).status is PENDING
    assert by_all(state, ("ann", YES), (LEGAL, YES), (FINANCE, YES)).status is APPROVED


@pytest.mark.parametrize("both_first", [True, False])
def test_a1_who_has_two_roles_counts_for_the_one_that_nobody_else_has(both_first: bool) -> None:
    state = an_approval(a_policy("role:legal", "role:finance", quorum="one_per_role"))
    both = Answerer("bet", ("legal", "finance"))
    assert answered(state, both).status is PENDING
    order: list[tuple[Answerer | str, Verdict]] = [(both, YES), (LEGAL, YES)]
    assert by_all(state, *(order if both_first else order[::-1])).status is APPROVED


def test_a1_a_rejection_vetoes_or_counts_once_the_quorum_is_out_of_reach() -> None:
    vetoed = answered(an_approval(), "ann", NO, comment="too dear")
    assert (vetoed.status, vetoed.why) == (REJECTED, "ann rejected it ('too dear').")
    state = an_approval(a_policy("user:ann", "user:bob", "user:cat", quorum=2, veto=False))
    assert answered(state, "ann", NO).status is PENDING
    assert by_all(state, ("ann", NO), ("bob", YES), ("cat", YES)).status is APPROVED
    lost = by_all(state, ("ann", NO), ("bob", NO))
    assert (lost.status, lost.why) == (REJECTED, "It has 0 of 2 approvals. Nobody who is asked could give the rest.")


def test_a1_a_role_has_any_number_of_people_so_its_quorum_is_never_out_of_reach() -> None:
    state = an_approval(a_policy("role:legal", quorum=2, veto=False))
    for number in range(20):
        state = answered(state, Answerer(f"p{number}", ("legal",)), NO)
    assert state.status is PENDING


def test_a1_abstaining_uses_up_the_answer_and_counts_for_nothing() -> None:
    state = answered(an_approval(a_policy("user:ann", "user:bob")), "ann", NEITHER)
    assert state.status is PENDING
    assert answered(state, "bob").status is APPROVED
    assert answered(state, "bob", NEITHER).status is REJECTED
    later = (Escalation(approvers=("user:cat",), deadline_s=DAY),)
    waits = an_approval(a_policy("user:ann", "user:bob", escalations=later))
    assert by_all(waits, ("ann", NEITHER), ("bob", NEITHER)).status is PENDING


def test_a1_what_can_never_be_met_is_told_when_it_is_opened() -> None:
    assert settled(an_approval()) is None
    never = settled(an_approval(a_policy("user:req", "user:ann", quorum="all")))
    assert never is not None
    assert never.status is REJECTED
    assert settled(an_approval(a_policy("user:ann", quorum="one_per_role"))) is not None


# --- A2: who may, and bypassing


@pytest.mark.parametrize(
    ("who", "says", "may"),
    [
        (ANN, "You are asked as user:ann.", True),
        (Answerer("zoe", ("admin", "legal")), "You are asked as role:legal.", True),
        (Answerer("zoe", ("admin",)), "This is for user:ann, role:legal to answer: you are none of them.", False),
        (Answerer("req", ("legal",)), "You started this execution: somebody else must approve it.", False),
        (Answerer("aut", ("legal",)), "You wrote this workflow: somebody else must approve it.", False),
    ],
)
def test_a2_whether_somebody_may_answer_is_told_with_the_reason(who: Answerer, says: str, may: bool) -> None:
    state = an_approval(a_policy("user:ann", "role:legal"))
    assert can_resolve(state, who, NOW) == (may, says)
    if may:
        assert answered(state, who).status is APPROVED
    else:
        assert refusal(state, who) == (Forbidden, "forbidden", says)


def test_a2_a_policy_may_let_the_requester_and_the_author_answer() -> None:
    state = an_approval(a_policy("user:req", "user:aut", quorum=2, allow_requester=True, allow_author=True))
    assert by_all(state, ("req", YES), ("aut", YES)).status is APPROVED


def test_a2_a_bypass_is_a_right_of_its_own_needs_a_comment_and_is_marked() -> None:
    state = an_approval(a_policy("user:ann", "user:bob", quorum="all"))
    may, says = can_resolve(state, ADMIN, NOW)
    assert not may
    assert says.endswith("with `bypass` and a comment.")
    assert can_bypass(state, ADMIN, NOW)
    assert not can_bypass(state, ANN, NOW)
    assert refusal(state, ADMIN)[0] is Forbidden
    assert refusal(state, ANN, bypass=True, comment="now")[0] is Forbidden
    assert refusal(state, ADMIN, bypass=True)[:2] == (InvalidInput, "comment_required")
    assert refusal(state, ADMIN, bypass=True, comment="so", verdict=NEITHER)[0] is InvalidInput
    done = answered(state, ADMIN, bypass=True, comment="It burns.")
    assert done.status is APPROVED
    assert done.why == "root approved it ('It burns.'), in place of user:ann, user:bob."
    event = done.answers["root"]
    assert (event.bypass, event.need, event.mode) == (True, "", Mode.SECOND_FACTOR)
    assert answered(state, ADMIN, NO, bypass=True, comment="No.").status is REJECTED


def test_a2_no_bypass_lets_anybody_approve_its_own_request() -> None:
    state = an_approval()
    for person in ("req", "aut"):
        own = replace(ADMIN, person=person)
        assert refusal(state, own, bypass=True, comment="now")[0] is Forbidden
        assert not can_bypass(state, own, NOW)


# --- A3 and A8: what an answer must have


def test_a3_a_comment_and_the_checklist_are_demanded_where_the_policy_says_so() -> None:
    state = an_approval(a_policy(comment="on_rejection", checklist=ITEMS))
    assert refusal(state)[:2] == (InvalidInput, "checklist_incomplete")
    assert refusal(state, checklist=("told",))[:2] == (InvalidInput, "checklist_incomplete")
    assert refusal(state, checklist=("read", "paid"))[:2] == (InvalidInput, "unknown_item")
    assert refusal(state, verdict=NO, comment=" ")[:2] == (InvalidInput, "comment_required")
    assert refusal(state, checklist=("read",), comment="x" * 1_001)[0] is InvalidInput
    assert answered(state, "ann", NO, comment="no").status is REJECTED
    assert answered(state, "ann", checklist=("read", "read")).answers["ann"].checklist == ("read",)
    always = an_approval(a_policy(comment="always"))
    assert refusal(always)[:2] == (InvalidInput, "comment_required")


def test_a8_an_answer_is_about_what_was_read() -> None:
    state = an_approval()
    assert refusal(state, digest="")[:2] == (InvalidInput, "digest_required")
    other = digest_of("Sign it", {**SHOWN, "decision": "SQLite"}, state.policy)
    assert refusal(state, digest=other)[:2] == (Conflict, "stale_digest")


def test_a8_the_digest_is_of_all_that_is_decided_on() -> None:
    policy = a_policy(checklist=ITEMS)
    first = digest_of("Sign it", SHOWN, policy)
    assert len(first) == 64
    changes: list[dict[str, Any]] = [
        {"approvers": ("user:zoe",)},
        {"quorum": 2},
        {"veto": False},
        {"checklist": ITEMS[:1]},
        {"next": "publish"},
        {"on": {"rejected": "tell"}},
        {"on_expiry": "approve"},
        {"deadline_s": None},
        {"allow_author": True},
    ]
    others = {digest_of("Sign it", SHOWN, replace(policy, **change)) for change in changes}
    others |= {digest_of("Sign", SHOWN, policy), digest_of("Sign it", {}, policy)}
    assert len(others - {first}) == len(changes) + 2
    assert digest_of("Sign it", dict(reversed(SHOWN.items())), policy) == first


# --- A4: twice, and at once


def test_a4_an_approval_may_be_answered_in_the_moment_in_which_it_is_opened() -> None:
    assert answered(an_approval(), "ann", at=NOW).status is APPROVED


def test_a4_the_same_again_is_the_earlier_answer_also_once_it_is_closed() -> None:
    state = answered(an_approval(), "ann", comment="fine")
    again = answer(state, ANN, said(state, comment=" fine "), NOW + 9 * DAY, "ans_other")
    assert again is state.answers["ann"]


def test_a4_an_answer_is_final_and_what_is_closed_tells_the_first_answer() -> None:
    state = answered(an_approval(a_policy(quorum=2)), "ann", comment="fine")
    kind, code, told = refusal(state, verdict=NO)
    assert (kind, code) == (Conflict, "already_answered")
    assert told == "You approved this approval already ('fine'): an answer is final."
    assert can_resolve(state, ANN, NOW) == (False, "You approved it already.")
    assert refusal(answered(an_approval(), "bob"))[1:] == (
        "already_approved",
        "This approval is approved already. Approved by bob.",
    )
    assert refusal(answered(an_approval(), "bob", NO))[1] == "already_rejected"
    gone = took(an_approval(), ApprovalClosed("apr_1", ApprovalStatus.CLOSED, "The execution was cancelled."), NOW)
    assert refusal(gone)[1:] == ("closed", "This approval is not awaited any more. The execution was cancelled.")


def test_a4_nothing_changes_an_approval_that_is_closed_and_no_second_answer_counts() -> None:
    state = answered(an_approval(a_policy(quorum=2)), "ann")
    second = replace(state.answers["ann"], verdict=NO)
    assert took(state, second, NOW) == state
    assert took(state, replace(second, approval_id="apr_2", person="bob"), NOW) == state
    assert took(state, ExecutionPaused("ann"), NOW) == state
    closed = answered(state, "bob")
    assert settled(closed) is None
    for event in (ApprovalReminded("apr_1"), ApprovalClosed("apr_1", REJECTED), replace(second, person="cat")):
        assert took(closed, event, NOW) == closed


def test_a_role_gives_so_many_answers_and_no_more() -> None:
    state = an_approval(a_policy("role:legal", quorum=2, veto=False))
    for number in range(ANSWERS_MAX):
        state = answered(state, Answerer(f"p{number}", ("legal",)), NO)
    assert refusal(state, Answerer("late", ("legal",)))[:2] == (Conflict, "too_many_answers")


# --- A5 to A7: time


def test_a5_what_expired_was_not_rejected_and_the_moment_of_the_deadline_is_too_late() -> None:
    state = an_approval()
    assert overdue(state, NOW + DAY - 0.001) is None
    assert answered(state, "ann", at=NOW + DAY - 0.001).status is APPROVED
    assert refusal(state, at=NOW + DAY)[1] == "expired"
    assert can_resolve(state, ANN, NOW + DAY)[0] is False
    expired = timed(state, NOW + DAY)
    assert (expired.status, expired.why) == (ApprovalStatus.EXPIRED, "It has 0 of 1 approval. Its time was over.")
    assert refusal(expired, at=NOW + DAY)[1] == "expired"
    assert "Nobody rejected it" in refusal(expired, at=NOW + DAY)[2]


def test_a6_a_deadline_is_reminded_of_once_before_it_and_none_waits_for_ever() -> None:
    state = an_approval(a_policy(remind_before_s=3_600.0))
    assert next_moment(state) == NOW + DAY - 3_600
    assert overdue(state, NOW + DAY - 3_601) is None
    reminded = timed(state, NOW + DAY - 3_600)
    assert reminded.reminded
    assert next_moment(reminded) == NOW + DAY
    assert timed(state, NOW + DAY).status is ApprovalStatus.EXPIRED
    unbounded = an_approval(a_policy(deadline_s=None, remind_before_s=60.0))
    assert next_moment(unbounded) is None
    assert overdue(unbounded, NOW + 1e9) is None
    late = an_approval(a_policy(remind_before_s=2 * DAY))
    assert next_moment(late) == NOW + DAY


CHAIN = (
    Escalation(approvers=("role:owner",), deadline_s=3_600.0),
    Escalation(approvers=("user:boss",), deadline_s=1_800.0),
)


def test_a7_a_deadline_that_passes_asks_the_next_ones_who_have_their_own() -> None:
    state = an_approval(a_policy(escalations=CHAIN, remind_before_s=600.0))
    boss, owner = Answerer("boss"), Answerer("own", ("owner",))
    assert refusal(state, owner)[0] is Forbidden
    late = NOW + DAY + 50  # the server was down
    assert overdue(state, late) == ApprovalEscalated("apr_1", 1, late + 3_600)
    first = timed(state, late)
    assert first.asked == ("user:ann", "user:bob", "role:owner")
    assert next_moment(first) == late + 3_000
    assert answered(first, owner, at=late).status is APPROVED
    assert answered(first, ANN, at=late).status is APPROVED
    assert refusal(first, boss)[0] is Forbidden
    second = timed(first, late + 3_600)
    assert (second.level, second.deadline_at, second.reminded) == (2, late + 5_400, False)
    assert answered(second, boss, at=late + 5_399).status is APPROVED
    assert timed(second, late + 5_400).status is ApprovalStatus.EXPIRED


def test_a7_who_is_asked_by_an_escalation_stands_in_for_somebody_who_did_not_answer() -> None:
    state = answered(an_approval(a_policy("user:ann", "user:bob", quorum="all", escalations=CHAIN)), "ann")
    state = timed(state, NOW + DAY)
    assert answered(state, Answerer("own", ("owner",))).status is APPROVED
    only_one = timed(an_approval(a_policy("user:ann", "user:bob", quorum="all", escalations=CHAIN)), NOW + DAY)
    assert answered(only_one, Answerer("own", ("owner",))).status is PENDING


def test_a7_expiry_approves_only_where_the_definition_says_so_and_nobody_rejected() -> None:
    policy = a_policy("user:ann", "role:legal", quorum=2, veto=False, on_expiry="approve")
    approved = timed(an_approval(policy), NOW + DAY)
    assert approved.status is APPROVED
    assert "the definition says" in approved.why
    rejected = answered(an_approval(policy), "ann", NO)
    assert timed(rejected, NOW + DAY).status is ApprovalStatus.EXPIRED
