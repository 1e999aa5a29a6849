"""The port of stores that keep documents with secrets: rows with a version, for compare-and-swap.

SQL and Supabase fulfil it alike, so the stores above and the encryption of existing data know no backend.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Protocol

PAGE: Final = 200


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """One document. `payload` is JSON text with secret fields encrypted; `version` grows with every write.

    Times are seconds since the epoch.
    """

    record_id: str
    org_id: str
    owner: str
    kind: str
    payload: str = field(repr=False)
    version: int
    created_at: float
    updated_at: float


class Documents(Protocol):
    """Rows of one store. Every method raises Unavailable where the backend is away."""

    async def get(self, record_id: str) -> DocumentRow | None: ...

    async def put(self, row: DocumentRow) -> DocumentRow:
        """Insert, or replace whatever is there; `version` and `created_at` of `row` do not matter. The row as kept."""
        ...

    async def swap(self, record_id: str, version: int, payload: str, now: float) -> bool:
        """Replace the payload if the row is still at `version`. False where it changed or is gone."""
        ...

    async def delete(self, record_id: str) -> bool:
        """True if it was there."""
        ...

    async def find(self, *, org_id: str, owner: str | None = None, kind: str | None = None) -> list[DocumentRow]:
        """The rows of an organisation, of one owner and kind where given, in order of their ids."""
        ...

    async def page(self, after: str, limit: int = PAGE) -> list[DocumentRow]:
        """The next rows in order of their ids, of all organisations: for jobs that walk the whole store."""
        ...

    async def count(self) -> int: ...
