"""Anonymous ballots: in which order a reader sees the answers, and which label stands for whom.

The order is a pure function of the debate's seed, the ask's round and kind, and the reader: a replay shuffles
alike, two readers do not see the same order, and no position is favoured across readers. The permutation is the
Lehmer code of a 512-bit BLAKE2b digest, which holds every order of up to `MAX_LABELS` answers.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from aragora.debate.model import Ask

MAX_LABELS: Final = 32
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
LABELS: Final[tuple[str, ...]] = (*_LETTERS, *(f"A{letter}" for letter in _LETTERS))[:MAX_LABELS]


def shuffled(names: tuple[str, ...], seed: int, ask: Ask) -> tuple[str, ...]:
    """`names` in the order in which the agent of `ask` sees their answers."""
    if len(names) < 2:
        return names
    digest = blake2b(f"{seed}/{ask.round}/{ask.kind}/{ask.agent}".encode()).digest()
    number = int.from_bytes(digest, "big")
    order = list(names)
    for last in range(len(order) - 1, 0, -1):
        number, chosen = divmod(number, last + 1)
        order[last], order[chosen] = order[chosen], order[last]
    return tuple(order)


def named(label: str, order: tuple[str, ...]) -> str | None:
    """The name behind `label` where the reader saw `order`; None where there is no such label."""
    for known, name in zip(LABELS, order, strict=False):
        if known == label:
            return name
    return None


def ranked(labels: tuple[str, ...], order: tuple[str, ...]) -> tuple[str, ...]:
    """A ranking of labels as names, each once; what it leaves out follows in the order the reader saw."""
    names: dict[str, None] = {}
    for label in labels:
        name = named(label, order)
        if name is not None:
            names[name] = None
    for name in order:
        names[name] = None
    return tuple(names)
