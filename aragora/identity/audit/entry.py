"""One line of the audit log and how it is chained: each hash covers the entry and the hash before it."""

from __future__ import annotations

import hashlib
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
