"""A debate that has ended, as adapters learn from it. Pure data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aragora.debate.model import (
    AnswerGiven,
    ConsensusReached,
    DebateOpened,
    DebateSpec,
    Decision,
    Event,
    ReceiptIssued,
)
from aragora.encoding import encode_text
from aragora.knowledge.model import Home, Source, SourceKind, debate_root
from aragora.knowledge.observations import Observation


@dataclass(frozen=True, slots=True)
class Offered:
    """What the debate had been shown: ids of items and their digests as offered, and the roots behind them
    (`aragora.knowledge.roots.lineage`)."""

    item_ids: tuple[str, ...] = ()
    cited_ids: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()  # as they were offered
    roots: tuple[str, ...] = ()
    checked: tuple[str, ...] = ()  # the roots behind the checklist, which critics alone were shown


@dataclass(frozen=True, slots=True)
class TaughtDebate:
    """The journal of an ended debate: `events` with their seqs; it began at `began_at` and ended `at`, in seconds since
    the epoch."""

    home: Home
    spec: DebateSpec
    events: Sequence[tuple[int, Event]]
    at: float
    offered: Offered = Offered()
    began_at: float = 0.0

    @property
    def decision(self) -> tuple[int, Decision] | None:
        """What it decided, with the seq; None where it ended without."""
        found = [(seq, event.decision) for seq, event in self.events if isinstance(event, ConsensusReached)]
        return found[-1] if found else None

    @property
    def winners(self) -> frozenset[str]:
        """The authors of the answer that won, where one did."""
        found = self.decision
        if found is None or not found[1].reached:
            return frozenset()
        decision = found[1]
        return frozenset(
            author
            for tally in decision.tallies
            if tally.agent == decision.winner
            for author in (tally.authors or (tally.agent,))
        )

    @property
    def receipt(self) -> ReceiptIssued | None:
        """Its receipt, where it has one."""
        found = [event for _, event in self.events if isinstance(event, ReceiptIssued)]
        return found[-1] if found else None

    @property
    def answers(self) -> list[tuple[int, AnswerGiven]]:
        """Every answer, with its seq."""
        return [(seq, event) for seq, event in self.events if isinstance(event, AnswerGiven)]

    def noted(self, key: str, what: object) -> Observation:
        """What an adapter notes of the debate under `key`: an object of a type of the adapter's."""
        return Observation(key, encode_text(what), self.spec.debate_id, self.spec.created_by, self.at)

    def source(self, seq: int | None, **of: str | float | None) -> Source:
        """What the debate says at `seq`, None: as a whole; `of` are further fields of the source."""
        receipt = self.receipt
        return Source(
            kind=SourceKind.DEBATE,
            root=debate_root(self.spec.debate_id),
            at=self.at,
            exposed=self.offered.roots,
            debate_id=self.spec.debate_id,
            seq=seq,
            receipt_id=None if receipt is None else receipt.receipt_id,
            receipt_hash=None if receipt is None else receipt.hash,
            person=self.spec.created_by,
            **of,  # type: ignore[arg-type]
        )


def spec_of(events: Sequence[Event]) -> DebateSpec | None:
    """The specification in a journal; None where its beginning is missing."""
    return next((event.spec for event in events if isinstance(event, DebateOpened)), None)
