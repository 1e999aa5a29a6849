"""The rules of approval requests: one answer, in time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aragora.errors import Conflict, NotFound
from aragora.workflows.approvals import ApprovalRequest, ApprovalStatus, Resolution, found_in, resolved

REQUEST = ApprovalRequest("apr_1", "org", "step", "deploy", "usr_1", 100.0, expires_at=200.0)
YES = Resolution(approved=True, by="usr_2", at=150.0, comment="fine")


def test_an_answer_says_what_by_whom_and_when() -> None:
    assert resolved(REQUEST, YES) == replace(
        REQUEST, status=ApprovalStatus.APPROVED, resolved_at=150.0, resolved_by="usr_2", comment="fine"
    )
    assert resolved(REQUEST, replace(YES, approved=False)).status is ApprovalStatus.REJECTED


@pytest.mark.parametrize("approved", [True, False])
def test_a_request_is_answered_once(approved: bool) -> None:
    answered = resolved(REQUEST, replace(YES, approved=approved))
    with pytest.raises(Conflict) as caught:
        resolved(answered, YES)
    assert caught.value.code == f"already_{answered.status}"


def test_a_pending_request_expires_by_itself_and_an_answered_one_does_not() -> None:
    assert REQUEST.seen_at(199.9) == REQUEST
    assert REQUEST.seen_at(200.0) == replace(REQUEST, status=ApprovalStatus.EXPIRED, resolved_at=200.0)
    assert replace(REQUEST, expires_at=None).seen_at(1e9).status is ApprovalStatus.PENDING
    assert resolved(REQUEST, YES).seen_at(1e9).status is ApprovalStatus.APPROVED


def test_an_answer_after_the_time_is_refused() -> None:
    with pytest.raises(Conflict) as caught:
        resolved(REQUEST, replace(YES, at=200.0))
    assert caught.value.code == "already_expired"


def test_a_request_is_found_in_its_own_organisation_only() -> None:
    assert found_in(REQUEST, "org") is REQUEST
    for request, org_id in ((REQUEST, "another"), (None, "org")):
        with pytest.raises(NotFound):
            found_in(request, org_id)
