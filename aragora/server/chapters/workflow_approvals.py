"""Approvals of workflows: who is asked what, and the answers.

Approvals belong to an organisation, and so do the roles that they ask: the operator of the installation answers those
of its own organisation only, as everybody does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, Protocol

from fastapi import Path, Query
from pydantic import AfterValidator, BaseModel, Field, StrictBool, model_validator
from starlette.responses import Response

from aragora import limits
from aragora.clock import Clock
from aragora.errors import AragoraError, InvalidInput
from aragora.identity.audit import Outcome
from aragora.identity.auditing import audited
from aragora.identity.authorization import own
from aragora.identity.principal import Method, Principal
from aragora.identity.rbac import WORKFLOWS_APPROVE, WORKFLOWS_BYPASS, WORKFLOWS_READ, by_power
from aragora.ids import could_be_id
from aragora.server.chapter import Call, Chapter
from aragora.server.knowledge import Asking, covered, reach
from aragora.server.ports import AuditTrail
from aragora.server.schemas import IdempotencyKey, Line, Prose, Workspaces
from aragora.server.views import UNCACHED, json_response
from aragora.workflows.approval_content import follows
from aragora.workflows.approvals import PREFIX, ApprovalRecord, ApprovalRequestStore, Wanted, unknown_approval
from aragora.workflows.approving import Answerer, ApprovalState, Word, can_bypass, can_resolve
from aragora.workflows.model import ApprovalStatus, Mode, Verdict
from aragora.workflows.quorum import fulfilled, needs_of

AT_ONCE_MAX: Final = 50
_ID_MAX_CHARS: Final = 128
_DIGEST: Final = "^[0-9a-f]{64}$"
_SAID: Final = {"approved": Verdict.APPROVE, "rejected": Verdict.REJECT}
_MODES: Final = {
    Method.API_KEY: Mode.API_KEY,
    Method.API_TOKEN: Mode.API_KEY,
    Method.SERVICE: Mode.HEADERS,
    Method.LOCAL: Mode.LOCAL,
}


class ApprovalCommands(Protocol):
    """Answers, to whoever runs the execution."""

    async def answer(self, approval_id: str, answerer: Answerer, word: Word, idempotency: str | None) -> ApprovalRecord:
        """Record what a person says (`aragora.workflows.approving.answer`); returns the approval as it is once that is
        written. `idempotency` names the request, where its sender does. Raises NotFound, Conflict, Forbidden,
        InvalidInput, Unavailable."""
        ...


@dataclass(frozen=True, slots=True)
class ApprovalPorts:
    """What these routes call."""

    inbox: ApprovalRequestStore
    commands: ApprovalCommands
    audit: AuditTrail
    clock: Clock


workflow_approvals: Chapter[ApprovalPorts] = Chapter("workflows")


def _of_an_approval(text: str) -> str:
    """Raises NotFound for what no approval is called, before any store is asked."""
    if not text.startswith(f"{PREFIX}_") or len(text) > _ID_MAX_CHARS or not could_be_id(text):
        raise unknown_approval()
    return text


_ApprovalId = Annotated[str, Path(), AfterValidator(_of_an_approval)]
_Item = Annotated[Line, Field(min_length=1, max_length=limits.NAME_MAX_CHARS)]
_Id = Annotated[Line, Field(min_length=1, max_length=_ID_MAX_CHARS)]
_Comment = Annotated[Prose | None, Field(max_length=limits.NOTE_MAX_CHARS)]


class ResolveApproval(Asking):
    """What a person says to an approval. `decision` and `status` say the same, and so do `comment` and `notes`: one of
    each is enough."""

    decision: Verdict | None = None
    status: Literal["approved", "rejected"] | None = None
    comment: _Comment = None
    notes: _Comment = None
    checklist: Annotated[
        list[_Item] | dict[_Item, StrictBool],
        Field(
            default_factory=list,
            max_length=50,
            description="the items ticked: their ids, or each id with whether it is",
        ),
    ]
    digest: Annotated[
        str | None,
        Field(
            pattern=_DIGEST, description="the `digest` of the approval as it was read; without it nothing is decided"
        ),
    ] = None
    bypass: Annotated[
        StrictBool,
        Field(description="in place of those that are asked: needs the permission workflows.bypass, and a comment"),
    ] = False

    @model_validator(mode="after")
    def _one_decision(self) -> ResolveApproval:
        said = {one for one in (self.decision, _SAID.get(self.status or "")) if one is not None}
        if not said:
            raise ValueError("say what you decide: `decision` is approve, reject or abstain")
        if len(said) > 1:
            raise ValueError("`decision` and `status` contradict each other: send one of them")
        if self.comment is not None and self.notes is not None and self.comment != self.notes:
            raise ValueError("`comment` and `notes` are the same thing: send one of them")
        return self

    def word(self) -> Word:
        """Raises InvalidInput (code digest_required) where it does not say what was read."""
        if self.digest is None:
            raise InvalidInput(
                "Say what you read: GET /api/workflow-approvals/{id} shows the approval with its `digest`; send that.",
                code="digest_required",
            )
        ticked = self.checklist
        if isinstance(ticked, dict):
            ticked = [item for item, done in ticked.items() if done]
        verdict = self.decision or _SAID[self.status or ""]
        return Word(verdict, self.comment or self.notes or "", tuple(ticked), self.digest, self.bypass)


class ResolveOne(ResolveApproval):
    """What a person says to one of several approvals."""

    approval_id: _Id


class ResolveSeveral(Asking):
    """Answers to several approvals, done in their order, each for itself."""

    answers: Annotated[list[ResolveOne], Field(min_length=1, max_length=AT_ONCE_MAX)]


class AnswerView(BaseModel):
    person: str
    verdict: Verdict
    at: float
    need: Annotated[str, Field(description="as whom: `user:ID` or `role:NAME`; empty with a bypass")]
    comment: str
    checklist: list[str]
    mode: Annotated[Mode, Field(description="how the person had shown who it is")]
    bypass: bool


class ChecklistView(BaseModel):
    id: str
    label: str
    required: bool


class ApprovalView(BaseModel):
    approval_id: str
    execution_id: str
    workflow_id: str
    workflow: Annotated[str, Field(description="its name")]
    workspace: str
    run: Annotated[str, Field(description="the step, at its place in the execution")]
    title: str
    status: ApprovalStatus
    digest: Annotated[str, Field(description="of all that is decided on: an answer names it")]
    requested_by: str
    authors: list[str]
    opened_at: float
    deadline_at: Annotated[float | None, Field(description="null: it waits as long as its execution")]
    overdue: Annotated[bool, Field(description="its deadline has passed, and what follows is about to happen")]
    level: Annotated[int, Field(description="how many escalations have happened")]
    asked: Annotated[list[str], Field(description="who may answer: `user:ID` and `role:NAME`")]
    quorum: Annotated[str | int, Field(description="one, all, one_per_role, or so many people")]
    needed: Annotated[int, Field(description="how many approvals it needs")]
    given: Annotated[int, Field(description="how many of these it has")]
    veto: Annotated[bool, Field(description="whether one rejection rejects it")]
    comment: Annotated[str, Field(description="when an answer needs one: optional, on_rejection, always")]
    on_expiry: Annotated[str, Field(description="expire, or approve")]
    checklist: list[ChecklistView]
    answers: list[AnswerView]
    closed_at: float | None
    why: str
    version: int
    can_resolve: Annotated[bool, Field(description="whether the caller may answer now")]
    reason: Annotated[str, Field(description="why, or why not")]
    can_bypass: Annotated[bool, Field(description="whether the caller may answer in place of those that are asked")]


class ApprovalDetail(ApprovalView):
    shown: Annotated[dict[str, str], Field(description="what is decided on, by name")]
    follows: Annotated[
        dict[str, str | None],
        Field(
            description="the step that follows `approved`, `rejected` and `expired`; null: its block or execution ends"
        ),
    ]


class ApprovalList(BaseModel):
    approvals: list[ApprovalView]
    next_cursor: str | None


class RefusalView(BaseModel):
    code: str
    message: str


class ResultView(BaseModel):
    approval_id: str
    http_status: Annotated[int, Field(description="what this answer alone would have got")]
    approval: Annotated[ApprovalDetail | None, Field(description="null where it was refused")]
    error: Annotated[RefusalView | None, Field(description="null where it was not")]


class ResultList(BaseModel):
    results: list[ResultView]


# --- Routes: `resolve` stands before {approval_id}


@workflow_approvals.get("/api/workflow-approvals", needs=WORKFLOWS_READ, gives=ApprovalList)
async def listing(
    call: Call[ApprovalPorts],
    *,
    status: ApprovalStatus | None = None,
    mine: Annotated[bool, Query(description="only those that await the caller's answer")] = False,
    overdue: Annotated[bool, Query(description="only those that wait although their deadline has passed")] = False,
    workflow: Annotated[_Id | None, Query(description="the id of a workflow")] = None,
    execution: Annotated[_Id | None, Query(description="the id of an execution")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[Line | None, Query(max_length=512)] = None,
    workspace: Workspaces = None,
) -> Response:
    """Those of a workspace: first what waits, by its deadline, then by its age; then what is closed, the newest first.
    A page may be short though `next_cursor` leads to more; it is null on the last."""
    now, who = call.ports.clock.now(), _answerer(call.who)
    wanted = Wanted(status, who if mine else None, now if overdue else None, workflow, execution)
    page = await call.ports.inbox.page(covered(call, workspace), wanted, cursor=cursor, limit=limit)
    shown = [_view(one, call.who, now) for one in page.items]
    return json_response({"approvals": shown, "next_cursor": page.next_cursor}, headers=UNCACHED)


@workflow_approvals.post("/api/workflow-approvals/resolve", needs=WORKFLOWS_APPROVE, gives=ResultList)
async def resolve_several(call: Call[ApprovalPorts], body: ResolveSeveral) -> Response:
    """Answer up to 50 approvals, each for itself: `results` tell what came of each, in the same order."""
    results = [await _result(call, one) for one in body.answers]
    return json_response({"results": results}, headers=UNCACHED)


@workflow_approvals.get("/api/workflow-approvals/{approval_id}", needs=WORKFLOWS_READ, gives=ApprovalDetail)
async def get(call: Call[ApprovalPorts], approval_id: _ApprovalId) -> Response:
    """One approval, with what is shown to those who decide."""
    record = await call.ports.inbox.get(reach(call), approval_id)
    return json_response(_detail(record, call.who, call.ports.clock.now()), headers=UNCACHED)


@workflow_approvals.post(
    "/api/workflow-approvals/{approval_id}/resolve", needs=WORKFLOWS_APPROVE, gives=ApprovalDetail, refuses=(409,)
)
async def resolve(
    call: Call[ApprovalPorts],
    approval_id: _ApprovalId,
    body: ResolveApproval,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Approve, reject or abstain. The answer says what has become of the approval. The same again is the same answer;
    409 where it is closed, the caller has said something else before, or what is shown is not what was read."""
    record = await _answered(call, approval_id, body, idempotency_key)
    return json_response(_detail(record, call.who, call.ports.clock.now()), headers=UNCACHED)


async def _result(call: Call[ApprovalPorts], one: ResolveOne) -> dict[str, Any]:
    try:
        record = await _answered(call, _of_an_approval(one.approval_id), one, None)
    except AragoraError as refused:
        error = {"code": refused.code, "message": refused.message}
        return {"approval_id": one.approval_id, "http_status": refused.status, "approval": None, "error": error}
    shown = _detail(record, call.who, call.ports.clock.now())
    return {"approval_id": one.approval_id, "http_status": 200, "approval": shown, "error": None}


async def _answered(
    call: Call[ApprovalPorts], approval_id: str, body: ResolveApproval, idempotency: str | None
) -> ApprovalRecord:
    own(call.who)  # an answer is a person's own word
    word, who = body.word(), _answerer(call.who)
    await call.ports.inbox.get(reach(call), approval_id)
    async with _noted(call, approval_id, who, word):
        return await call.ports.commands.answer(approval_id, who, word, idempotency)


@asynccontextmanager
async def _noted(call: Call[ApprovalPorts], approval_id: str, person: Answerer, word: Word) -> AsyncIterator[None]:
    """Audit the answer, then do the block; where it is refused, a second entry says so."""
    who = call.who

    async def note(outcome: Outcome, /, **of: str) -> None:
        await call.ports.audit.note(
            call.visit, "approval.answer", who.actor, who.org_id, outcome, subject=who.user_id, target=approval_id, **of
        )

    bypass = str(word.bypass).lower()
    async with audited(note, verdict=word.verdict, digest=word.digest, mode=person.mode, bypass=bypass):
        yield


def mode_of(who: Principal) -> Mode:
    """How the caller has shown who it is."""
    if who.method is not Method.SESSION:
        return _MODES[who.method]
    if who.mfa:
        return Mode.SECOND_FACTOR
    return Mode.OAUTH if who.login == "oauth" else Mode.PASSWORD


def _answerer(who: Principal) -> Answerer:
    may_bypass = WORKFLOWS_BYPASS.permission in who.permissions
    return Answerer(who.user_id, by_power(who.roles), mode_of(who), may_bypass)


def _standing(state: ApprovalState, who: Principal, now: float) -> dict[str, Any]:
    """Whether the caller may answer: by the rules of the approval, and at all."""
    person = _answerer(who)
    may, reason = can_resolve(state, person, now)
    bypass = can_bypass(state, person, now)
    if (may or bypass) and WORKFLOWS_APPROVE.permission not in who.permissions:
        may, bypass, reason = False, False, f"To answer approvals needs the permission {WORKFLOWS_APPROVE.name}."
    elif (may or bypass) and who.impersonator is not None:
        may, bypass, reason = False, False, "Nobody answers while acting as another user."
    return {"can_resolve": may, "reason": reason, "can_bypass": bypass}


def _detail(record: ApprovalRecord, who: Principal, now: float) -> dict[str, Any]:
    state = record.state
    return {**_view(record, who, now), "shown": state.shown, "follows": follows(state.policy)}


def _view(record: ApprovalRecord, who: Principal, now: float) -> dict[str, Any]:
    state, policy = record.state, record.state.policy
    return {
        "approval_id": state.approval_id,
        "execution_id": state.execution_id,
        "workflow_id": record.workflow_id,
        "workflow": record.workflow,
        "workspace": record.workspace,
        "run": state.run,
        "title": state.title,
        "status": state.status,
        "digest": state.digest,
        "requested_by": state.requested_by,
        "authors": state.authors,
        "opened_at": state.opened_at,
        "deadline_at": state.deadline_at,
        "overdue": record.pending and state.deadline_at is not None and now >= state.deadline_at,
        "level": state.level,
        "asked": state.asked,
        "quorum": policy.quorum,
        "needed": len(needs_of(policy)),
        "given": len(fulfilled(policy, state.level, state.answers.values())),
        "veto": policy.veto,
        "comment": policy.comment,
        "on_expiry": policy.on_expiry,
        "checklist": [{"id": one.id, "label": one.label, "required": one.required} for one in policy.checklist],
        "answers": [_answer(state, person) for person in state.answers],
        "closed_at": state.closed_at,
        "why": state.why,
        "version": record.version,
        **_standing(state, who, now),
    }


def _answer(state: ApprovalState, person: str) -> Mapping[str, Any]:
    one = state.answers[person]
    return {
        "person": person,
        "verdict": one.verdict,
        "at": state.answered_at[person],
        "need": one.need,
        "comment": one.comment,
        "checklist": one.checklist,
        "mode": one.mode,
        "bypass": one.bypass,
    }
