"""Checks a run of receipts as a chain: nothing changed, nothing missing, nothing put in between."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from aragora.debate.records import GENESIS, ChainHead
from aragora.receipts.verifying import verify

BREAKS_CAP: Final = 100  # breaks told one by one; the chain is broken however many there are


@dataclass(frozen=True, slots=True)
class ChainBreak:
    """Where the chain does not hold. `index` counts the receipts given from 0; `check` names what failed."""

    index: int
    check: str
    detail: str


@dataclass(frozen=True, slots=True)
class ChainReport:
    """What a check of a chain found; `head` is its last link, to compare with a head noted elsewhere."""

    valid: bool
    length: int
    breaks: tuple[ChainBreak, ...]
    head: ChainHead


def verify_chain(
    documents: Iterable[Mapping[str, Any]],
    trusted_keys: Collection[str] | None,
    start: ChainHead | None = GENESIS,
) -> ChainReport:
    """Check receipts in the order of their positions, one in memory at a time; never raises for what is in them.

    `start` is the link before the first; None where the receipts before it were deleted by retention: then the first
    one's own word is taken for what came before.
    """
    head, length, breaks = start, 0, _Breaks()
    for index, document in enumerate(documents):
        length += 1
        _valid, checks = verify(document, trusted_keys)
        for check in checks:
            if not check["passed"]:
                breaks.add(index, check["name"], check["detail"])
        if checks[0]["passed"]:
            if head is not None:
                breaks.add_all(index, _misplaced(document, head))
            head = ChainHead(document["position"], document["hash"])
    return ChainReport(breaks.count == 0, length, tuple(breaks.told), head or GENESIS)


class _Breaks:
    def __init__(self) -> None:
        self.count = 0
        self.told: list[ChainBreak] = []

    def add(self, index: int, check: str, detail: str) -> None:
        self.count += 1
        if len(self.told) < BREAKS_CAP:
            self.told.append(ChainBreak(index, check, detail))

    def add_all(self, index: int, found: Iterable[tuple[str, str]]) -> None:
        for check, detail in found:
            self.add(index, check, detail)


def _misplaced(document: Mapping[str, Any], head: ChainHead) -> Iterable[tuple[str, str]]:
    position, previous = document["position"], document["previous_hash"]
    if position != head.position + 1:
        yield "position", f"position {position} follows {head.position}: receipts are missing, repeated or out of order"
    if previous != head.hash:
        yield "previous_hash", f"the receipt names {previous} as the one before, which has the hash {head.hash}"
