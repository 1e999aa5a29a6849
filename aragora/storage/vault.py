"""Documents as dictionaries: secret fields encrypted on the way in, readable on the way out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from aragora.clock import Clock
from aragora.encoding import decode, encode_text
from aragora.errors import Conflict, InvalidInput
from aragora.secrets.encryption import DecryptionFailed, EncryptionService
from aragora.storage.document import DocumentRow, Documents

SWAP_ATTEMPTS = 8
MAX_NAME_CHARS = 200


class Vault:
    """One store of documents.

    Args:
        name: the store's name: bound into every ciphertext, and the label of its metrics.
        documents: where the rows are.
        crypto: what encrypts and decrypts.
        clock: for the stamps.
    """

    def __init__(self, name: str, documents: Documents, crypto: EncryptionService, clock: Clock) -> None:
        self.name = name
        self._documents = documents
        self._crypto = crypto
        self._clock = clock

    async def save(self, record_id: str, document: Mapping[str, Any], *, org_id: str, owner: str, kind: str) -> None:
        """Insert or replace a document."""
        now = self._clock.now()
        payload = encode_text(self._crypto.encrypt_fields(document, store=self.name, record_id=record_id))
        await self._documents.put(DocumentRow(record_id, org_id, owner, kind, payload, 1, now, now))

    async def load(self, record_id: str) -> dict[str, Any] | None:
        """The document, readable. Raises KeyNotFound or DecryptionFailed."""
        row = await self._documents.get(record_id)
        return None if row is None else self.open(row)

    async def find(
        self, *, org_id: str, owner: str | None = None, kind: str | None = None
    ) -> list[tuple[DocumentRow, dict[str, Any]]]:
        """The documents of an organisation with their rows. Raises KeyNotFound or DecryptionFailed."""
        rows = await self._documents.find(org_id=org_id, owner=owner, kind=kind)
        return [(row, self.open(row)) for row in rows]

    async def merge(self, record_id: str, changes: Mapping[str, Any]) -> dict[str, Any] | None:
        """Change fields of a document, whoever else changes others at the same time. None where there is none."""
        for _ in range(SWAP_ATTEMPTS):
            row = await self._documents.get(record_id)
            if row is None:
                return None
            document = {**self.open(row), **changes}
            payload = encode_text(self._crypto.encrypt_fields(document, store=self.name, record_id=record_id))
            if await self._documents.swap(record_id, row.version, payload, self._clock.now()):
                return document
        raise Conflict(f"The {self.name} record is being changed by others; try again.")

    async def delete(self, record_id: str) -> bool:
        return await self._documents.delete(record_id)

    async def count(self) -> int:
        return await self._documents.count()

    def open(self, row: DocumentRow) -> dict[str, Any]:
        """The document of a row, readable. Raises KeyNotFound or DecryptionFailed."""
        return self._crypto.decrypt_fields(document_of(row), store=self.name, record_id=row.record_id)


def document_of(row: DocumentRow) -> dict[str, Any]:
    """The stored document, secrets still encrypted. Raises DecryptionFailed where the payload is no JSON object."""
    try:
        document = decode(row.payload)
    except msgspec.DecodeError as error:
        raise DecryptionFailed(f"Record {row.record_id} is not JSON.") from error
    if not isinstance(document, dict):
        raise DecryptionFailed(f"Record {row.record_id} is not a JSON object.")
    return document


def record_id(*parts: str) -> str:
    """One id of several names, which no choice of names can make ambiguous. Raises InvalidInput for bad names."""
    for part in parts:
        if not part or len(part) > MAX_NAME_CHARS or not part.isprintable():
            raise InvalidInput(f"A name of 1 to {MAX_NAME_CHARS} printable characters is needed here.")
    return "/".join(quote(part, safe="@:+") for part in parts)
