"""Certificates that something was forgotten, as links of the receipt chain."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aragora.debate.records import Certification, ChainHead, ReceiptRecord
from aragora.debate.store.journal_writer import JournalWriter
from aragora.errors import NotFound
from aragora.knowledge.forgetting import CERTIFICATE
from aragora.observability.samples import CounterDelta
from aragora.receipts.closing import sealed
from aragora.receipts.signing import Signer
from aragora.receipts.store import ReceiptStore


class ChainCertificates:
    """Issues certificates through the journal's writer, so that there is one chain, and reads them.

    Args:
        writer: of a process that owns no shard: certificates follow from no debate.
        signer: gives the key of this installation when the first certificate is issued.
    """

    def __init__(self, writer: JournalWriter, receipts: ReceiptStore, signer: Callable[[], Awaitable[Signer]]) -> None:
        self._writer = writer
        self._receipts = receipts
        self._signer = signer

    async def issue(self, certificate_id: str, body: Mapping[str, Any], counter: CounterDelta) -> ReceiptRecord:
        """The certificate of this body; where there is one of the id, that one, and nothing is counted. Raises
        Unavailable, Misconfigured."""
        signer = await self._signer()

        def follow(head: ChainHead) -> ReceiptRecord:
            return sealed(
                body,
                head,
                signer,
                receipt_id=certificate_id,
                debate_id=body["forgetting_id"],
                at=body["issued_at"],
                kind=CERTIFICATE,
            )

        return await self._writer.certify(Certification(certificate_id, follow, (counter,)))

    async def find(self, certificate_id: str) -> ReceiptRecord | None:
        """The certificate of the id; None where there is none. Raises Unavailable."""
        try:
            record = await self._receipts.get(certificate_id)
        except NotFound:
            return None
        return record if record.kind == CERTIFICATE else None

    async def all_ids(self) -> list[tuple[str, str]]:
        """Of all certificates (certificate_id, forgetting_id), in the order in which they were issued."""
        return await self._receipts.of_kind(CERTIFICATE)
