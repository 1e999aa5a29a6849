"""Issues the receipts of executions as links of the receipt chain, and reads them.

The id of a receipt follows from the execution and the number of its end: asked again, after a crash or by the next
runner, the chain gives the receipt that is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

from aragora.debate.records import Certification, ChainHead, ReceiptRecord
from aragora.errors import NotFound
from aragora.receipts.canonical import canonical_members, journal_digest
from aragora.receipts.closing import sealed_members
from aragora.receipts.signing import Signer
from aragora.receipts.store import ReceiptStore
from aragora.workflows import journal
from aragora.workflows.definition import Definition
from aragora.workflows.model import ReceiptIssued
from aragora.workflows.proof import KIND, body_of, owed_ends

FREED_AT_ONCE: Final = 1_000


class Certifying(Protocol):
    """Writes the chain (`aragora.debate.store.journal_writer.JournalWriter`)."""

    async def certify(self, certification: Certification) -> ReceiptRecord:
        """Issue a document, or find the one of its id. Raises Unavailable, and what its `issue` raises."""
        ...


@dataclass(frozen=True, slots=True)
class _Draft:
    receipt_id: str
    stands_for: str  # in place of a debate's id: unique
    issued_at: float
    members: Mapping[str, bytes]  # of the body, in canonical form


class ChainProofs:
    """Fulfils `aragora.workflows.ports.Proving`.

    Args:
        chain: of a process that owns no shard of debates: these receipts follow from none.
        signer: gives the key of this installation when the first receipt is issued.
        now: seconds since the epoch.
    """

    def __init__(self, chain: Certifying, signer: Callable[[], Awaitable[Signer]], now: Callable[[], float]) -> None:
        self._chain = chain
        self._signer = signer
        self._now = now

    async def prove(
        self, execution_id: str, definition: Definition, payloads: Sequence[str]
    ) -> tuple[ReceiptIssued, ...]:
        """The receipts of those ends in the whole journal of an execution that it tells of no receipt for, each issued
        or found, the first end first. Raises Unavailable, Misconfigured; ValueError and Unreadable for a journal that
        is damaged."""
        drafts = await asyncio.to_thread(_drafts, execution_id, definition, payloads, self._now())
        if not drafts:
            return ()
        signer = await self._signer()
        records = [
            await self._chain.certify(Certification(one.receipt_id, partial(_sealed, one, signer=signer)))
            for one in drafts
        ]
        return tuple(ReceiptIssued(one.receipt_id, one.position, one.hash) for one in records)


class ExecutionReceipts:
    """Reads receipts of executions."""

    def __init__(self, receipts: ReceiptStore) -> None:
        self._receipts = receipts

    async def document(self, receipt_id: str) -> str:
        """The receipt as it was signed, to the byte: the canonical JSON text. Raises NotFound, also where the id is
        that of another link of the chain, and Unavailable."""
        record = await self._receipts.get(receipt_id)
        if record.kind != KIND:
            raise NotFound(f"there is no receipt {receipt_id} of an execution")
        return record.document


def _drafts(execution_id: str, definition: Definition, payloads: Sequence[str], issued_at: float) -> list[_Draft]:
    told = journal.told_of(payloads)
    drafts: list[_Draft] = []
    for end in owed_ends(execution_id, (event for _, event in told)):
        sha256 = journal_digest(payloads[: end.seq])
        body = body_of(definition, told[: end.seq], sha256, end.number, issued_at)
        drafts.append(_Draft(body["receipt_id"], f"{execution_id}/{end.number}", issued_at, canonical_members(body)))
    while told:  # freed at once, tens of thousands of events would hold the event loop for a tenth of a second
        del told[-FREED_AT_ONCE:]
    return drafts


def _sealed(draft: _Draft, head: ChainHead, *, signer: Signer) -> ReceiptRecord:
    return sealed_members(
        draft.members,
        head,
        signer,
        receipt_id=draft.receipt_id,
        debate_id=draft.stands_for,
        at=draft.issued_at,
        kind=KIND,
    )
