"""Approvals as an execution opens them, and the people who answer them."""

from __future__ import annotations

from typing import Any

from aragora.workflows.approval_content import digest_of
from aragora.workflows.approvals import ApprovalRecord
from aragora.workflows.approving import Answerer, ApprovalState, Word, answer, opened, settled, took
from aragora.workflows.definition import Approval
from aragora.workflows.model import ApprovalAnswered, ApprovalOpened, Mode, Verdict

NOW = 1_700_000_000.0
DAY = 86_400.0
SHOWN = {"question": "Which database?", "decision": "PostgreSQL"}
ADMIN = Answerer("root", ("owner",), Mode.SECOND_FACTOR, may_bypass=True)


def a_policy(*approvers: str, **changes: Any) -> Approval:
    """A step that asks these, for a day."""
    values: dict[str, Any] = {"id": "sign", "deadline_s": DAY, "approvers": approvers or ("user:ann", "user:bob")}
    return Approval(**{**values, **changes})


def an_approval(policy: Approval | None = None, at: float = NOW, **changes: Any) -> ApprovalState:
    """It was just opened, by somebody whom nobody else is."""
    policy = policy or a_policy()
    values: dict[str, Any] = {"execution_id": "wfx_1", "title": "Sign it", "requested_by": "req", "authors": ("aut",)}
    values |= {"approval_id": "apr_1", "run": "sign", "shown": SHOWN} | changes
    event = ApprovalOpened(
        values.pop("run"),
        values.pop("approval_id"),
        values["shown"],
        digest_of(values["title"], values.pop("shown"), policy),
        None if policy.deadline_s is None else at + policy.deadline_s,
    )
    return opened(event, policy, at=at, **values)


def said(state: ApprovalState, verdict: Verdict = Verdict.APPROVE, **changes: Any) -> Word:
    """A word about what is shown."""
    return Word(**{"verdict": verdict, "digest": state.digest, **changes})


def answered(
    state: ApprovalState, who: Answerer | str, verdict: Verdict = Verdict.APPROVE, at: float = NOW + 1, **changes: Any
) -> ApprovalState:
    """The approval after an answer, closed where that closes it."""
    person = who if isinstance(who, Answerer) else Answerer(who)
    event = answer(state, person, said(state, verdict, **changes), at, f"ans_{person.person}")
    assert isinstance(event, ApprovalAnswered)
    state = took(state, event, at)
    end = settled(state)
    return state if end is None else took(state, end, at)


def a_record(state: ApprovalState | None = None, version: int = 3, **changes: Any) -> ApprovalRecord:
    """The inbox's record of an approval."""
    values: dict[str, Any] = {"org_id": "acme", "workspace": "default", "workflow_id": "wf_1", "workflow": "Release"}
    return ApprovalRecord(**{**values, "state": state or an_approval(), "version": version, **changes})
