"""The audit log: who did what, when, from where and with what outcome. Pure; the rows are `store.audit_log`'s.

Entries are chained: each hash covers the entry and the hash before it. So a check finds every change, and every entry
that is missing, but those cut off the end: for these a head noted elsewhere must still be in the chain.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import rfc8785

GENESIS: Final = "0" * 64


class Outcome(StrEnum):
    SUCCESS = "success"
    DENIED = "denied"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """What happened. Never holds a secret: details are names and numbers.

    `actor` is who really acted, `subject` whom they acted as (the same, except in impersonation).
    """

    action: str  # e.g. auth.login, admin.impersonate, api_key.create
    actor: str
    org_id: str
    outcome: Outcome
    subject: str = ""
    target: str = ""
    address: str = ""
    request_id: str = ""
    details: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """An event in its place in the chain. `at` is whole microseconds since the epoch, `seq` counts from 1."""

    seq: int
    at_us: int
    event: AuditEvent
    previous_hash: str
    hash: str


def link(event: AuditEvent, *, seq: int, at_us: int, previous_hash: str) -> AuditEntry:
    """The entry that follows the one with `previous_hash`."""
    return AuditEntry(seq, at_us, event, previous_hash, entry_hash(event, seq, at_us, previous_hash))


def entry_hash(event: AuditEvent, seq: int, at_us: int, previous_hash: str) -> str:
    """SHA-256 over the canonical JSON (RFC 8785) of everything in the entry but its hash."""
    covered: dict[str, str | int | dict[str, str]] = {
        "seq": seq,
        # As text: canonical JSON numbers are exact only up to 2**53.
        "at_us": str(at_us),
        "action": event.action,
        "actor": event.actor,
        "subject": event.subject,
        "org_id": event.org_id,
        "outcome": event.outcome.value,
        "target": event.target,
        "address": event.address,
        "request_id": event.request_id,
        "details": event.details,
        "previous_hash": previous_hash,
    }
    return hashlib.sha256(rfc8785.dumps(covered)).hexdigest()


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check of the chain found. `problem` is None where it holds; `head` is the last good hash.

    A chain with entries cut off its end still holds: keep `head` elsewhere and compare.
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
