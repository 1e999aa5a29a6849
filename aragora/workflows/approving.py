"""One approval: who may answer, what an answer must have, when it is closed, and what time alone does. Pure.

States: pending -> approved | rejected | expired | closed, once. Answers, reminders and escalations change a pending
approval only. `aragora.workflows.quorum` says whether the answers suffice.

Who
- Asked are the approvers of the policy, and with each escalation its own besides. Whoever started the execution, and
  whoever wrote the definition, may not answer unless the policy allows it: nor with a bypass, nor as an approver.
- A *bypass* answers in place of all that are asked, and closes the approval. It is a right of its own; it needs a
  comment; the event is marked.

Answers
- An answer is final: the same again is the earlier event, also once the approval is closed; another one is refused.
- It names the digest of what was shown: what has changed since it was read is not decided on.
- An approval ticks every required item of the checklist.

The end
- A bypass, a rejection where the policy has a veto, or a quorum that is met closes it.
- It is rejected once those who are asked cannot meet its quorum any more. Where nobody rejected it and an escalation is
  to come, it waits for that. So an approval may be closed as soon as it is opened, or by an escalation: look at
  `settled` after every event.

Time
- The moment of the deadline belongs to what follows it. An escalation has its own deadline, counted from when it
  happens: those who are asked then have all their time, also where the server was down. After the last one it expires.
- `expired` is not `rejected`. Where the policy says so expiry approves, unless somebody rejected it.
- Those who have not answered are reminded once for each deadline, unless they were asked later than that.

Of one moment, take `overdue` until it is None before an answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from aragora import limits
from aragora.errors import Conflict, Forbidden, InvalidInput
from aragora.texts import counted
from aragora.workflows.definition import Approval
from aragora.workflows.model import (
    ApprovalAnswered,
    ApprovalClosed,
    ApprovalEscalated,
    ApprovalOpened,
    ApprovalReminded,
    ApprovalStatus,
    Event,
    Mode,
    Verdict,
)
from aragora.workflows.quorum import Quorum, asked, fulfilled, needs_of, quorum_of, spoken_for

ANSWERS_MAX: Final = 100
"""People of a role are any number: so many answers one approval takes."""

_DEEDS: Final = {Verdict.APPROVE: "approved", Verdict.REJECT: "rejected", Verdict.ABSTAIN: "abstained from"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalState:
    """An approval as the events so far made it. Times are seconds since the epoch.

    Attributes:
        run: the step at its place in the execution.
        policy: the step as its execution's definition has it.
        shown, digest: what people see, and the digest of what they decide on (`aragora.workflows.approval_content`).
        authors: who wrote the definition, up to this version.
        since: when those of this level were asked.
        level: how many escalations have happened.
        reminded: whether they were, of this level's deadline.
        answers: by person, the first one first.
        answered_at: when, by person.
    """

    approval_id: str
    execution_id: str
    run: str
    title: str
    policy: Approval
    shown: Mapping[str, str]
    digest: str
    requested_by: str
    authors: tuple[str, ...]
    opened_at: float
    since: float
    deadline_at: float | None = None
    level: int = 0
    reminded: bool = False
    answers: Mapping[str, ApprovalAnswered] = field(default_factory=dict)
    answered_at: Mapping[str, float] = field(default_factory=dict)
    status: ApprovalStatus = ApprovalStatus.PENDING
    closed_at: float | None = None
    why: str = ""

    @property
    def asked(self) -> tuple[str, ...]:
        """The approvers who are asked now: `user:ID` and `role:NAME`."""
        return asked(self.policy, self.level)

    @property
    def barred(self) -> Mapping[str, str]:
        """The people who may not answer whatever they are besides, each with what they did."""
        authors = () if self.policy.allow_author else self.authors
        barred = dict.fromkeys(authors, "wrote this workflow")
        return barred if self.policy.allow_requester else {**barred, self.requested_by: "started this execution"}


@dataclass(frozen=True, slots=True)
class Answerer:
    """Who wants to answer, with the roles of this person, the most powerful first, and how it showed who it is."""

    person: str
    roles: tuple[str, ...] = ()
    mode: Mode = Mode.LOCAL
    may_bypass: bool = False


@dataclass(frozen=True, slots=True)
class Word:
    """What a person says. `digest` is that of what it read, `checklist` the items it ticked."""

    verdict: Verdict
    comment: str = ""
    checklist: tuple[str, ...] = ()
    digest: str = ""
    bypass: bool = False


def opened(
    event: ApprovalOpened,
    policy: Approval,
    *,
    execution_id: str,
    title: str,
    requested_by: str,
    authors: tuple[str, ...],
    at: float,
) -> ApprovalState:
    """The approval that the event opens at a moment. `title` is what its people read first; `requested_by` started the
    execution."""
    return ApprovalState(
        approval_id=event.approval_id,
        execution_id=execution_id,
        run=event.run,
        title=title,
        policy=policy,
        shown=event.shown,
        digest=event.digest,
        requested_by=requested_by,
        authors=authors,
        opened_at=at,
        since=at,
        deadline_at=event.deadline_at,
    )


def took(state: ApprovalState, event: Event, at: float) -> ApprovalState:
    """The approval after an event about it. Nothing changes one that is closed, nobody's second answer counts, and
    events about something else change nothing."""
    if state.status is not ApprovalStatus.PENDING or getattr(event, "approval_id", None) != state.approval_id:
        return state
    match event:
        case ApprovalAnswered() if event.person not in state.answers:
            answers, times = {**state.answers, event.person: event}, {**state.answered_at, event.person: at}
            return replace(state, answers=answers, answered_at=times)
        case ApprovalReminded():
            return replace(state, reminded=True)
        case ApprovalEscalated():
            return replace(state, level=event.level, deadline_at=event.deadline_at, since=at, reminded=False)
        case ApprovalClosed():
            return replace(state, status=event.status, closed_at=at, why=event.why)
    return state


# --- An answer -------------------------------------------------------------------------------------------------------


def answer(state: ApprovalState, person: Answerer, word: Word, now: float, answer_id: str) -> ApprovalAnswered:
    """What a person says, as the event to write. The same again is the event of the earlier answer, which is journaled
    already: nothing is to be written.

    Raises:
        Conflict: it is closed (code already_approved, already_rejected, expired, closed), this person has given
            another answer (already_answered), or what is shown is not what was read (stale_digest).
        Forbidden: this person may not answer; `can_resolve` says so with the same words.
        InvalidInput: something is missing: the digest (code digest_required), a comment (comment_required), items of
            the checklist (checklist_incomplete); or there is no such item, or too much of something.
    """
    before = state.answers.get(person.person)
    if before is not None and _says(before, word):
        return before
    _check_open(state, now)
    if before is not None:
        raise Conflict(
            f"You {_DEEDS[before.verdict]} this approval already{_quoted(before.comment)}: an answer is final.",
            code="already_answered",
        )
    refused = _refusal_of_bypass(state, person) if word.bypass else _refusal(state, person)
    if refused:
        raise Forbidden(refused)
    if len(state.answers) >= ANSWERS_MAX:
        raise Conflict(f"This approval took {ANSWERS_MAX} answers, the most it takes.", code="too_many_answers")
    _check_digest(state, word)
    _check_word(state.policy, word)
    speaks_as = () if word.bypass else spoken_for(state.policy, person.person, person.roles)
    return ApprovalAnswered(
        approval_id=state.approval_id,
        person=person.person,
        verdict=word.verdict,
        need=next((one for one in speaks_as if one in state.asked), ""),
        comment=word.comment.strip(),
        checklist=_ticked(word),
        digest=word.digest,
        mode=person.mode,
        bypass=word.bypass,
        answer_id=answer_id,
        speaks_as=speaks_as,
    )


def can_resolve(state: ApprovalState, person: Answerer, now: float) -> tuple[bool, str]:
    """Whether a person may answer, and why, or why not. Who may only bypass may not, and is told of that."""
    try:
        _check_open(state, now)
    except Conflict as closed:
        return False, closed.message
    before = state.answers.get(person.person)
    if before is not None:
        return False, f"You {_DEEDS[before.verdict]} it already."
    refused = _refusal(state, person)
    if refused:
        more = " You may answer in place of those that are asked: with `bypass` and a comment."
        return False, f"{refused}{'' if _refusal_of_bypass(state, person) else more}"
    mine = [one for one in spoken_for(state.policy, person.person, person.roles) if one in state.asked]
    return True, f"You are asked as {mine[0]}."


def can_bypass(state: ApprovalState, person: Answerer, now: float) -> bool:
    """Whether a person may answer in place of those that are asked."""
    pending = state.status is ApprovalStatus.PENDING and not _too_late(state, now)
    return pending and person.person not in state.answers and not _refusal_of_bypass(state, person)


# --- The end ---------------------------------------------------------------------------------------------------------


def settled(state: ApprovalState) -> ApprovalClosed | None:
    """How the answers so far close it; None where more are awaited, or it is closed."""
    if state.status is not ApprovalStatus.PENDING:
        return None
    answers = tuple(state.answers.values())
    over = next((one for one in answers if one.bypass), None)
    if over is not None:
        status = ApprovalStatus.APPROVED if over.verdict is Verdict.APPROVE else ApprovalStatus.REJECTED
        return _closed(state, status, f"{_told(over)}, in place of {', '.join(state.asked)}.")
    rejected = [one for one in answers if one.verdict is Verdict.REJECT]
    if rejected and state.policy.veto:
        return _closed(state, ApprovalStatus.REJECTED, f"{_told(rejected[0])}.")
    quorum = quorum_of(state.policy, state.level, answers, state.barred)
    if quorum is Quorum.MET:
        counted_ones = frozenset(fulfilled(state.policy, state.level, answers).values())
        people = ", ".join(person for person in state.answers if person in counted_ones)
        return _closed(state, ApprovalStatus.APPROVED, f"Approved by {people}.")
    if quorum is Quorum.LOST and (rejected or state.level == len(state.policy.escalations)):
        return _closed(state, ApprovalStatus.REJECTED, f"{_standing(state)} Nobody who is asked could give the rest.")
    return None


def next_moment(state: ApprovalState) -> float | None:
    """When time alone does something next, or did; None: never."""
    if state.status is not ApprovalStatus.PENDING or state.deadline_at is None:
        return None
    reminder = _reminder_at(state)
    return state.deadline_at if reminder is None else reminder


def overdue(state: ApprovalState, now: float) -> ApprovalReminded | ApprovalEscalated | ApprovalClosed | None:
    """What time alone does at a moment; None: nothing. After the event more may be due."""
    due = next_moment(state)
    if due is None or now < due or state.deadline_at is None:
        return None
    if now < state.deadline_at:
        return ApprovalReminded(state.approval_id)
    escalations = state.policy.escalations
    if state.level < len(escalations):
        return ApprovalEscalated(state.approval_id, state.level + 1, now + escalations[state.level].deadline_s)
    rejected = any(one.verdict is Verdict.REJECT for one in state.answers.values())
    if state.policy.on_expiry == "approve" and not rejected:
        why = f"{_standing(state)} Its time was over, and the definition says that this approves it."
        return _closed(state, ApprovalStatus.APPROVED, why)
    return _closed(state, ApprovalStatus.EXPIRED, f"{_standing(state)} Its time was over.")


# --- Parts -----------------------------------------------------------------------------------------------------------


def _says(before: ApprovalAnswered, word: Word) -> bool:
    earlier = (before.verdict, before.comment, before.checklist, before.digest, before.bypass)
    return earlier == (word.verdict, word.comment.strip(), _ticked(word), word.digest, word.bypass)


def _ticked(word: Word) -> tuple[str, ...]:
    return tuple(sorted(set(word.checklist)))


def _too_late(state: ApprovalState, now: float) -> bool:
    last = state.level == len(state.policy.escalations)
    return last and state.deadline_at is not None and now >= state.deadline_at


def _check_open(state: ApprovalState, now: float) -> None:
    status = state.status
    if status is ApprovalStatus.PENDING and not _too_late(state, now):
        return
    if status in (ApprovalStatus.PENDING, ApprovalStatus.EXPIRED):
        raise Conflict("This approval has expired: its deadline has passed. Nobody rejected it.", code="expired")
    if status is ApprovalStatus.CLOSED:
        raise Conflict(f"This approval is not awaited any more. {state.why}".strip(), code="closed")
    raise Conflict(f"This approval is {status} already. {state.why}".strip(), code=f"already_{status}")


def _refusal(state: ApprovalState, person: Answerer) -> str:
    """Why a person may not answer; empty where it may."""
    if person.person in state.barred:
        return f"You {state.barred[person.person]}: somebody else must approve it."
    if not set(spoken_for(state.policy, person.person, person.roles)).intersection(state.asked):
        return f"This is for {', '.join(state.asked)} to answer: you are none of them."
    return ""


def _refusal_of_bypass(state: ApprovalState, person: Answerer) -> str:
    """Why a person may not answer in place of the others; empty where it may."""
    if person.person in state.barred:
        return f"You {state.barred[person.person]}: somebody else must approve it."
    return "" if person.may_bypass else "To answer in place of those that are asked needs the right to bypass."


def _check_digest(state: ApprovalState, word: Word) -> None:
    if not word.digest:
        raise InvalidInput(
            "Say what you read: send the `digest` that came with the approval.",
            code="digest_required",
        )
    if word.digest != state.digest:
        raise Conflict(
            "What is shown is not what you read: read the approval again, and answer with its new `digest`.",
            code="stale_digest",
        )


def _check_word(policy: Approval, word: Word) -> None:
    items = {item.id: item for item in policy.checklist}
    if unknown := [one for one in word.checklist if one not in items]:
        known = ", ".join(items) or "none"
        raise InvalidInput(f"The checklist has no item {unknown[0][:100]!r}; its items: {known}.", code="unknown_item")
    missing = [item.id for item in items.values() if item.required and item.id not in word.checklist]
    if word.verdict is Verdict.APPROVE and missing:
        raise InvalidInput(f"To approve, tick these items too: {', '.join(missing)}.", code="checklist_incomplete")
    if word.bypass and word.verdict is Verdict.ABSTAIN:
        raise InvalidInput("In place of others one approves or rejects: abstaining decides nothing.")
    wants = policy.comment == "always" or (policy.comment == "on_rejection" and word.verdict is Verdict.REJECT)
    if (wants or word.bypass) and not word.comment.strip():
        raise InvalidInput("Say why: this answer needs a comment.", code="comment_required")
    if len(word.comment) > limits.NOTE_MAX_CHARS:
        raise InvalidInput(f"A comment has at most {limits.NOTE_MAX_CHARS} characters: shorten it.")


def _reminder_at(state: ApprovalState) -> float | None:
    before_s = state.policy.remind_before_s
    if state.reminded or before_s is None or state.deadline_at is None:
        return None
    at = state.deadline_at - before_s
    return at if at > state.since else None


def _closed(state: ApprovalState, status: ApprovalStatus, why: str) -> ApprovalClosed:
    return ApprovalClosed(state.approval_id, status, why)


def _told(one: ApprovalAnswered) -> str:
    return f"{one.person} {_DEEDS[one.verdict]} it{_quoted(one.comment)}"


def _quoted(comment: str) -> str:
    return f" ({comment!r})" if comment else ""


def _standing(state: ApprovalState) -> str:
    have = len(fulfilled(state.policy, state.level, state.answers.values()))
    return f"It has {have} of {counted(len(needs_of(state.policy)), 'approval')}."
