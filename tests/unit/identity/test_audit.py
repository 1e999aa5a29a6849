"""The audit chain: whatever is done to it afterwards shows."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Callable

import pytest

from aragora.identity.audit import GENESIS, AuditEntry, AuditEvent, Outcome, link, verify_chain


def chain(length: int = 5) -> list[AuditEntry]:
    entries: list[AuditEntry] = []
    for seq in range(1, length + 1):
        event = AuditEvent(f"auth.login{seq}", "usr_1", "org_1", Outcome.SUCCESS, details={"method": "password"})
        previous = entries[-1].hash if entries else GENESIS
        entries.append(link(event, seq=seq, at_us=1_700_000_000_000_000 + seq, previous_hash=previous))
    return entries


async def stream(entries: list[AuditEntry]) -> AsyncIterator[AuditEntry]:
    for entry in entries:
        yield entry


async def test_an_untouched_chain_holds() -> None:
    entries = chain()
    finding = await verify_chain(stream(entries), expected_head=entries[2].hash)
    assert finding.intact
    assert (finding.entries, finding.head) == (5, entries[-1].hash)


def _rewritten(entries: list[AuditEntry]) -> list[AuditEntry]:
    event = dataclasses.replace(entries[2].event, actor="usr_2")
    changed = link(event, seq=3, at_us=entries[2].at_us, previous_hash=entries[2].previous_hash)
    return [*entries[:2], changed, *entries[3:]]


@pytest.mark.parametrize(
    ("tamper", "told"),
    [
        (lambda e: [*e[:2], dataclasses.replace(e[2], at_us=1), *e[3:]], "entry 3 was changed"),
        (lambda e: [*e[:2], *e[3:]], "entry 3 is missing"),
        (lambda e: e[1:], "entry 1 is missing"),
        (lambda e: [e[1], e[0], *e[2:]], "missing"),
        (_rewritten, "entry 4 does not follow"),
    ],
)
async def test_what_was_changed_removed_or_moved_is_named(
    tamper: Callable[[list[AuditEntry]], list[AuditEntry]], told: str
) -> None:
    finding = await verify_chain(stream(tamper(chain())))
    assert not finding.intact
    assert told in str(finding.problem)


async def test_a_shortened_chain_shows_against_a_hash_kept_elsewhere() -> None:
    entries = chain()
    assert not (await verify_chain(stream(entries[:3]), expected_head=entries[4].hash)).intact
