"""Checking the chain: every entry's hash, its link to the one before, and that none is missing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from aragora.identity.audit.entry import GENESIS, AuditEntry, entry_hash


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check of the chain found. `problem` is None where it holds; `head` is the last good hash.

    Whoever cuts entries off the end leaves a chain that holds: keep `head` elsewhere and compare.
    """

    entries: int
    head: str
    problem: str | None = None

    @property
    def intact(self) -> bool:
        return self.problem is None


async def verify_chain(entries: AsyncIterator[AuditEntry], expected_head: str | None = None) -> Finding:
    """Walk the entries in order of seq. `expected_head`: a hash noted earlier that must be in the chain."""
    count, head, seen = 0, GENESIS, expected_head in (None, GENESIS)
    async for entry in entries:
        if entry.seq != count + 1:
            return Finding(count, head, f"entry {count + 1} is missing: entry {entry.seq} follows entry {count}")
        if entry.previous_hash != head:
            return Finding(count, head, f"entry {entry.seq} does not follow the entry before it")
        if entry.hash != entry_hash(entry.event, entry.seq, entry.at_us, entry.previous_hash):
            return Finding(count, head, f"entry {entry.seq} was changed after it was written")
        count, head = entry.seq, entry.hash
        seen = seen or head == expected_head
    if not seen:
        return Finding(
            count, head, f"the chain does not reach the hash {expected_head}: entries were cut off or replaced"
        )
    return Finding(count, head)
