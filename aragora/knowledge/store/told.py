"""How often somebody has told a workspace something about a domain: what makes decisions from before it stale.

Told is what people, documents, imports and other workspaces add, change, judge or withdraw. What debates and workflows
leave by themselves, and what is condensed of it, is not: each debate would make the decisions of all others stale, and
its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aragora.knowledge.model import ItemKind, SourceKind, Visibility
from aragora.knowledge.planning import Addition, Effect, Planned, Unit
from aragora.knowledge.store.generations import Generations
from aragora.knowledge.store.lexical import told_scope
from aragora.storage.database import Database, Lookup

_BY_ITSELF: Final = frozenset({SourceKind.DEBATE, SourceKind.TASK, SourceKind.WORKFLOW, SourceKind.DERIVATION})


def told_of(units: Sequence[Unit], planned: Sequence[Planned]) -> set[str]:
    """The scopes whose generation these units raise, given what each did."""
    scopes: set[str] = set()
    for unit, done in zip(units, planned, strict=True):
        item = done.item
        learnt = isinstance(unit, Addition) and all(source.kind in _BY_ITSELF for source in unit.added.sources)
        if done.effect is Effect.NOTHING or learnt or item.statement.kind is ItemKind.SUMMARY:
            continue
        scopes.add(told_scope(item.org_id, item.workspace, item.statement.domain))
        if item.visibility is Visibility.ORG:
            scopes.add(told_scope(item.org_id, None, item.statement.domain))
    return scopes


class ToldKnowledge:
    """What workspaces were told, over the database of context `aragora_memory`; fulfils
    `aragora.decisions.ports.Knowledge`."""

    def __init__(self, database: Database) -> None:
        self._generations = Generations(database)

    def told(self, org_id: str, workspace: str, domain: str) -> Lookup:
        """What reads how often the workspace, and its whole organisation, were told something about the domain."""
        return self._generations.of(told_scope(org_id, workspace, domain), told_scope(org_id, None, domain))
