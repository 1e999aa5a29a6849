"""The continuum adapter: which items are remembered for how long, by how they recur. Pure.

In:  of each ended debate the offered items that its answers cite, and which of them the answer that stands rests on.
Out: the memory of an item (`memory_of`): its tier, how often other debates used it, and when last. An item of a slower
     tier is offered a little earlier (`remembered`); its confidence stays what it was.

Rules
- A use is a debate whose decision rests on the item, as it was offered before the first ask. A debate counts once.
- An item begins in the tier `fast`. A use that comes at least the tier's span after the item came into it brings it
  into the next one, and so does an outcome that says that it held: so only what recurs over a week's time is `glacial`.
  An outcome that says that it did not hold brings it back to `fast`.
- What is not used for `FADES` spans of its tier falls into the tier below, and from there on in the same way.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final

from aragora.debate.model import AskKind, KnowledgeCited, KnowledgeOffered
from aragora.encoding import decode_as
from aragora.knowledge.model import Bearing, Item
from aragora.knowledge.observations import Observation
from aragora.knowledge.taught import TaughtDebate

NAME: Final = "continuum"

READ: Final = 200
"""Of the newest uses of the items that are looked up together so many are looked at: where some are much used, older
uses are missing, and fewer are told."""

FADES: Final = 4
"""Spans of its tier after which an item that nobody used falls into the one below."""

EARLIER: Final = 1
"""Places that an item is offered earlier for each tier beyond the first."""


class Tier(StrEnum):
    """How slowly an item recurs, the fastest first."""

    FAST = "fast"
    MEDIUM = "medium"
    SLOW = "slow"
    GLACIAL = "glacial"


TIERS: Final = tuple(Tier)
SPAN_S: Final[Mapping[Tier, float]] = {
    Tier.FAST: 60.0,
    Tier.MEDIUM: 3_600.0,
    Tier.SLOW: 86_400.0,
    Tier.GLACIAL: 604_800.0,
}
"""Of each tier, in seconds."""


@dataclass(frozen=True, slots=True)
class Use:
    """One debate that cited an item; `rests`: its decision rests on it. Stored as JSON: the name never changes."""

    rests: bool


@dataclass(frozen=True, slots=True)
class Used:
    """A use as it is looked at: which debate, when (seconds since the epoch), and what of it."""

    debate_id: str
    at: float
    rests: bool


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered of an item. `uses` counts the debates whose decision rests on it, `cited` those that only
    cited it; `last_used_at` is in seconds since the epoch, None where nobody used it."""

    tier: Tier = Tier.FAST
    uses: int = 0
    cited: int = 0
    last_used_at: float | None = None


def observe(taught: TaughtDebate) -> tuple[Observation, ...]:
    """The items that a debate cites, each once."""
    of_label = {
        item.label: item.item_id
        for _, event in taught.events
        if isinstance(event, KnowledgeOffered)
        for item in event.items
        if item.source_debate_id != taught.spec.debate_id
    }
    cited = [event for _, event in taught.events if isinstance(event, KnowledgeCited)]
    standing = _standing(taught)
    rests = {label for event in cited if event.ask_id == standing for label in event.labels}
    ids: dict[str, bool] = {}
    for label in (label for event in cited for label in event.labels if label in of_label):
        ids[of_label[label]] = ids.get(of_label[label], False) or label in rests
    return tuple(taught.noted(item_id, Use(use)) for item_id, use in ids.items())


def read(observation: Observation) -> Used:
    """What an observation of this adapter says. Raises ValueError for one that is damaged."""
    return Used(observation.debate_id, observation.at, decode_as(observation.body, Use).rests)


def memory_of(item: Item, seen: Iterable[Used], now: float) -> Memory:
    """What is remembered of an item at `now` (seconds since the epoch)."""
    used = {one.debate_id: one for one in seen}
    resting = [one.at for one in used.values() if one.rests]
    tier, since = 0, min((source.at for source in item.sources), default=item.recorded_at)
    for at, what in sorted([*((at, _What.USED) for at in resting), *_outcomes(item)]):
        tier, since = _fallen(tier, since, at)
        if what is _What.FAILED:
            tier, since = 0, at
        elif what is _What.HELD or at - since >= SPAN_S[TIERS[tier]]:
            tier, since = min(tier + 1, len(TIERS) - 1), at
    tier, _ = _fallen(tier, since, now)
    return Memory(TIERS[tier], len(resting), len(used) - len(resting), max(resting, default=None))


def remembered(hits: Sequence[Item], memories: Mapping[str, Memory]) -> list[Item]:
    """The hits of a search, the best first, each moved up by as many places as its tier is worth: at most three."""

    def place(one: tuple[int, Item]) -> tuple[int, int, int]:
        index, item = one
        memory = memories.get(item.item_id)
        up = 0 if memory is None else EARLIER * TIERS.index(memory.tier)
        return index - up, -up, index

    return [item for _, item in sorted(enumerate(hits), key=place)]


def by_item(items: Collection[Item], seen: Iterable[tuple[str, Used]], now: float) -> dict[str, Memory]:
    """The memory of each of these items that was ever cited; `seen` are uses with the id of their item."""
    used: dict[str, list[Used]] = {}
    for item_id, one in seen:
        used.setdefault(item_id, []).append(one)
    return {item.item_id: memory_of(item, used[item.item_id], now) for item in items if item.item_id in used}


def _standing(taught: TaughtDebate) -> str | None:
    """The ask whose answer stands as the decision's; None where none does (`aragora.debate.machine.grounds`)."""
    found = taught.decision
    if found is None or not found[1].reached or found[1].winner is None:
        return None
    decision = found[1]
    asks = [
        answer.ask_id
        for _, answer in taught.answers
        if answer.content == decision.answer and (answer.agent == decision.winner or answer.kind is AskKind.SYNTHESIZE)
    ]
    return asks[-1] if asks else None


class _What(IntEnum):
    """What happened to an item; of one moment in this order."""

    USED = 0
    HELD = 1
    FAILED = 2


def _outcomes(item: Item) -> Iterator[tuple[float, _What]]:
    """What was seen of the item or of an answer that rests on it."""
    told = (one for one in item.outcomes if one.bears is not Bearing.NOTHING)
    return ((one.at, _What.HELD if one.held else _What.FAILED) for one in told)


def _fallen(tier: int, since: float, now: float) -> tuple[int, float]:
    """Into which tier something falls that was in `tier` at `since` and not used until `now`, and since when."""
    while tier > 0 and now - since >= FADES * SPAN_S[TIERS[tier]]:
        since += FADES * SPAN_S[TIERS[tier]]
        tier -= 1
    return tier, since
