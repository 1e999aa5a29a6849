"""Which short texts are one in nearly the same words, told by digests of their tokens, never by the words. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Final

from aragora.knowledge.search.tokens import query_tokens

Signature = tuple[int, ...]
"""Digests of tokens of a text, 32 bits each, in order."""

SIGNATURE: Final = 16
"""Digests that a signature has at most: the smallest."""

SAME: Final = 0.5
"""Texts are one from this Jaccard similarity of their signatures on. Judgement, not measurement."""


def signature(text: str) -> Signature:
    """The signature of `text`; empty where it has neither word nor symbol."""
    digests = {int.from_bytes(blake2b(token.encode(), digest_size=4).digest()) for token in query_tokens(text)}
    return tuple(sorted(digests)[:SIGNATURE])


def alike(left: Signature, right: Signature) -> float:
    """The Jaccard similarity of two signatures, 0 to 1; 0 where one is empty."""
    return _jaccard(frozenset(left), frozenset(right))


def grouped(texts: Mapping[str, Signature], order: Sequence[str]) -> dict[str, str]:
    """The leader of each text, by name: in this order, each joins the leader that it is most like, and leads where it
    is the same as none. Of two that are as like, the first leads.

    Two sets are not that similar unless they share one of the rarest members of both (prefix filter, Chaudhuri et al.
    2006): so only few pairs are compared.
    """
    sets = {name: frozenset(one) for name, one in texts.items()}
    counts = Counter(digest for one in texts.values() for digest in one)
    leaders: dict[int, list[int]] = {}
    of: dict[str, str] = {}
    for place, name in enumerate(order):
        own = texts[name]
        rarest = sorted(own, key=lambda digest: (counts[digest], digest))
        rarest = rarest[: len(own) - math.ceil(SAME * len(own)) + 1]
        near = {leader for digest in rarest for leader in leaders.get(digest, ())}
        found = max(((_jaccard(sets[name], sets[order[one]]), -one) for one in near), default=(0.0, 0))
        if found[0] >= SAME:
            of[name] = order[-found[1]]
            continue
        of[name] = name
        for digest in rarest:
            leaders.setdefault(digest, []).append(place)
    return of


def _jaccard(left: frozenset[int], right: frozenset[int]) -> float:
    shared = len(left & right)
    return shared / (len(left) + len(right) - shared) if shared else 0.0
