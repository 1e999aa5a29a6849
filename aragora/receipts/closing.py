"""How a debate closes: the signed receipt with its place in the chain, the last events, and what must follow from them.

Called inside the transaction that writes the end, and again with the same result should that transaction be
repeated: everything here follows from the arguments.

hash      = SHA-256 of the canonical JSON of the document without `hash` and `signature`
signature = Ed25519 over the ASCII text "aragora-receipt-v1:" followed by the hash
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import msgspec

from aragora.debate import machine
from aragora.debate.counted import reuse_of
from aragora.debate.machine.grounds import grounds, reused
from aragora.debate.machine.state import DebateState
from aragora.debate.model import DebateOpened, DebateSpec, DebateStatus, Event, ReceiptIssued
from aragora.debate.records import OF_DEBATE, ChainHead, Closed, DebateUpdate, Journaled, ReceiptRecord
from aragora.encoding import encode_text
from aragora.ranking.elo import RATINGS, RatingsDue
from aragora.receipts.canonical import canonical_members, canonical_object, digest
from aragora.receipts.receipt import AgentPart, ReceiptDraft, knowledge_of, summary_of
from aragora.receipts.signing import ALGORITHM, Signer
from aragora.storage.outbox import OutboxRow

USAGE: Final = "usage"
"""The outbox topic whose payload is a `UsageDue`."""

KNOWLEDGE: Final = "knowledge"
"""The outbox topic whose payload is a `KnowledgeDue`."""

SERVED: Final = "workflows"
"""The outbox topic whose payload is a `ServedDue`."""


class EndKind(StrEnum):
    """How a debate ended, for those who learn from it."""

    DECIDED = "decided"  # by a decision, reached or not, and a receipt
    FAILED = "failed"
    CANCELLED = "cancelled"
    BROKEN = "broken"  # it could not go on; its journal may be damaged


@dataclass(frozen=True, slots=True)
class UsageDue:
    """What each agent of a debate cost, for whom, at which time (seconds since the epoch). Stored as JSON in outbox
    rows: a field's name never changes."""

    org_id: str
    user_id: str
    at: float
    agents: tuple[AgentPart, ...]


@dataclass(frozen=True, slots=True)
class KnowledgeDue:
    """A debate has ended, at `at` (seconds since the epoch): its journal is there to be learned from. Stored as JSON in
    outbox rows: a field's name never changes."""

    debate_id: str
    org_id: str
    workspace: str
    at: float
    end: EndKind


@dataclass(frozen=True, slots=True)
class ServedDue:
    """A debate has ended that served the ask `ask_id` of an execution. Stored as JSON in outbox rows: a field's name
    never changes."""

    debate_id: str
    execution_id: str
    ask_id: str


class Closing:
    """Closes debates with the receipts of one signer.

    `knowledge`: each end is told in the outbox to those who learn from debates. Only where the topic has a consumer:
    rows of one without stay for ever.
    """

    def __init__(self, signer: Signer, *, knowledge: bool = False) -> None:
        self._signer = signer
        self._knowledge = knowledge

    def conclude(self, journaled: Journaled, head: ChainHead, at: float) -> Closed:
        """The close of a decided debate as the receipt after `head`, at `at` (seconds since the epoch)."""
        state = journaled.state
        if state.decision is None:
            raise ValueError("only a debate with a decision can be concluded")
        spec, decision = state.spec, state.decision
        summary = summary_of(journaled.events)
        draft = ReceiptDraft(
            f"rcp_{spec.debate_id.removeprefix('deb_')}",
            spec,
            decision,
            summary,
            journal_digest=journaled.digest,
            journal_length=journaled.length,
            opened_at=journaled.opened_at,
            issued_at=at,
            knowledge=knowledge_of(journaled.events, grounds(state)),
        )
        receipt = issue(draft, head, self._signer)
        end = machine.ended(state)
        update = DebateUpdate(
            status=end.status,
            rounds=end.rounds,
            decision=encode_text(decision),
            reason=end.reason,
            cost_usd=end.cost_usd,
            receipt_id=receipt.receipt_id,
        )
        ratings = _due(RATINGS, spec.debate_id, RatingsDue(spec.domain, decision, spec.org_id), at)
        usage = _usage(spec, summary.agents, at)
        outbox = (ratings, usage, *self._learning(spec, EndKind.DECIDED, at), *_served(spec, at))
        return Closed(receipt, (issued(receipt), end), update, outbox, reuse_of(len(reused(state))))

    def break_off(
        self, state: DebateState, events: Sequence[Event], at: float
    ) -> tuple[DebateUpdate, tuple[OutboxRow, ...]]:
        """The columns and the outbox of a debate that failed or was cancelled. Its usage is still recorded."""
        end = state.ended
        if end is None:
            raise ValueError("only a debate that has ended can be broken off")
        update = DebateUpdate(status=end.status, rounds=end.rounds, reason=end.reason, cost_usd=end.cost_usd)
        how = EndKind.CANCELLED if end.status is DebateStatus.CANCELLED else EndKind.FAILED
        usage = _usage(state.spec, summary_of(events).agents, at)
        return update, (usage, *self._learning(state.spec, how, at), *_served(state.spec, at))

    def owed(self, events: Sequence[Event], at: float) -> tuple[OutboxRow, ...]:
        """What is owed of a debate that cannot go on, from those of its events that are known."""
        spec = next((event.spec for event in events if isinstance(event, DebateOpened)), None)
        if spec is None:
            return ()
        usage = _usage(spec, summary_of(events).agents, at)
        return usage, *self._learning(spec, EndKind.BROKEN, at), *_served(spec, at)

    def _learning(self, spec: DebateSpec, end: EndKind, at: float) -> tuple[OutboxRow, ...]:
        if not self._knowledge:
            return ()
        return (
            _due(KNOWLEDGE, spec.debate_id, KnowledgeDue(spec.debate_id, spec.org_id, spec.workspace, at, end), at),
        )


def issue(draft: ReceiptDraft, head: ChainHead, signer: Signer) -> ReceiptRecord:
    """The signed receipt of `draft` as the next link after `head`.

    Raises NotCanonical where the draft holds what JSON cannot carry (NaN, lone surrogates, integers beyond 2**53).
    """
    return sealed(
        draft.body(), head, signer, receipt_id=draft.receipt_id, debate_id=draft.spec.debate_id, at=draft.issued_at
    )


def sealed(
    body: Mapping[str, Any],
    head: ChainHead,
    signer: Signer,
    *,
    receipt_id: str,
    debate_id: str,
    at: float,
    kind: str = OF_DEBATE,
) -> ReceiptRecord:
    """The document of `body` as the next link after `head`, signed, issued at `at` (seconds since the epoch). One of
    another kind than a debate's receipt has its own id in place of the debate's. Raises NotCanonical."""
    members = canonical_members(body)
    return sealed_members(members, head, signer, receipt_id=receipt_id, debate_id=debate_id, at=at, kind=kind)


def sealed_members(
    body: Mapping[str, bytes],
    head: ChainHead,
    signer: Signer,
    *,
    receipt_id: str,
    debate_id: str,
    at: float,
    kind: str,
) -> ReceiptRecord:
    """As `sealed`, of a body whose members are in canonical form already (`canonical_members`): of a large one that is
    most of the work, and this is called while the chain is locked."""
    position = head.position + 1
    place: dict[str, Any] = {
        "position": position,
        "previous_hash": head.hash,
        "algorithm": ALGORITHM,
        "key_id": signer.key_id,
        "public_key": signer.public_key,
    }
    members = {**body, **canonical_members(place)}
    receipt_hash = digest(canonical_object(members))
    members |= canonical_members({"hash": receipt_hash, "signature": signer.sign(receipt_hash)})
    return ReceiptRecord(
        receipt_id=receipt_id,
        debate_id=debate_id,
        position=position,
        hash=receipt_hash,
        previous_hash=head.hash,
        document=canonical_object(members).decode(),
        issued_at=at,
        kind=kind,
    )


class _Signed(msgspec.Struct):
    signature: str
    key_id: str


def issued(record: ReceiptRecord) -> ReceiptIssued:
    """The journal event that tells of `record`."""
    signed = msgspec.json.decode(record.document, type=_Signed)
    return ReceiptIssued(
        receipt_id=record.receipt_id,
        position=record.position,
        hash=record.hash,
        previous_hash=record.previous_hash,
        signature=signed.signature,
        key_id=signed.key_id,
    )


def _usage(spec: DebateSpec, agents: tuple[AgentPart, ...], at: float) -> OutboxRow:
    return _due(USAGE, spec.debate_id, UsageDue(spec.org_id, spec.created_by, at, agents), at)


def _served(spec: DebateSpec, at: float) -> tuple[OutboxRow, ...]:
    if not spec.serves:
        return ()
    execution_id, _, ask_id = spec.serves.partition("/")
    return (_due(SERVED, spec.debate_id, ServedDue(spec.debate_id, execution_id, ask_id), at),)


def _due(topic: str, debate_id: str, payload: object, at: float) -> OutboxRow:
    return OutboxRow(f"{debate_id}:{topic}", topic, debate_id, encode_text(payload), at)
