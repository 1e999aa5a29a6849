"""How many independent roots stand behind a statement. Pure.

A root counts unless whoever spoke for it had been shown something that came from another root which stands behind the
same statement: a debate that was offered an item cannot corroborate it, and a chain of agents that elaborate on each
other is one source. What was derived from other items is no root. Roots that were shown each other, which only an
import can bring, count as one together. The result does not depend on the order of the sources.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from aragora.knowledge.model import Bearing, Item, Outcome, Source, SourceKind


def independent_roots(sources: Iterable[Source]) -> int:
    """How many groups of roots rest on no other root of these sources."""
    exposed: dict[str, set[str]] = {}
    for source in sources:
        if source.kind is SourceKind.DERIVATION:
            continue
        exposed.setdefault(source.root, set()).update(source.exposed)
    here = {root: seen & exposed.keys() for root, seen in exposed.items()}
    if not any(here.values()):  # nearly always: nobody had been shown any of it
        return len(here)
    reached = {root: _reached(root, here) for root in here}
    # A root counts where all that it reaches reaches it, too: those are one group, named by its least member.
    closed = (root for root, others in reached.items() if all(root in reached[other] for other in others))
    return len({min(reached[root] | {root}) for root in closed})


def lineage(items: Iterable[Item]) -> tuple[str, ...]:
    """All roots that stand behind these items, those that their sources had been shown among them: what somebody who is
    shown them is exposed to."""
    found = {root for item in items for source in item.sources for root in (source.root, *source.exposed)}
    return tuple(sorted(found))


def voices(outcomes: Iterable[Outcome], bears: Bearing) -> dict[str, bool]:
    """What each person says of whether it held, by the newest of their words of this bearing."""
    said = sorted((one for one in outcomes if one.bears is bears), key=lambda one: (one.at, one.version, one.root))
    return {one.voice: one.held for one in said}


def _reached(start: str, edges: Mapping[str, set[str]]) -> frozenset[str]:
    found: set[str] = set()
    ahead = list(edges[start])
    while ahead:
        root = ahead.pop()
        if root not in found and root != start:
            found.add(root)
            ahead.extend(edges[root])
    return frozenset(found)
