"""Definitions as executions are pinned to them, read once each: a version never changes."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Final

from aragora.errors import NotFound
from aragora.ids import could_be_id
from aragora.scope import Scope
from aragora.workflows.definition import Definition
from aragora.workflows.ports import Pinned
from aragora.workflows.reading import read_back
from aragora.workflows.references import read_all
from aragora.workflows.store.definitions import DefinitionStore

KEPT: Final = 200  # versions in memory


class StoredDefinitions:
    """Fulfils `aragora.workflows.ports.Definitions`."""

    def __init__(self, store: DefinitionStore) -> None:
        self._store = store
        self._kept: OrderedDict[tuple[str, int], Pinned] = OrderedDict()

    async def pinned(self, workflow_id: str, version: int) -> Pinned:
        """One version. Raises NotFound, Unavailable; ValueError where it is damaged."""
        known = self._kept.get((workflow_id, version))
        if known is not None:
            self._kept.move_to_end((workflow_id, version))
            return known
        kept = await self._store.pinned(workflow_id, version)
        authors = await self._store.authors(workflow_id, version)
        definition = await asyncio.to_thread(_read, kept.document)
        pinned = Pinned(workflow_id, version, kept.digest, definition, authors)
        self._kept[workflow_id, version] = pinned
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return pinned

    async def within(self, scope: Scope, workflow_id: str) -> Definition | None:
        """What would be executed now of a workflow of the scope; None where there is none, whatever its id looks like.
        Raises Unavailable."""
        if not could_be_id(workflow_id):
            return None
        try:
            head, _ = await self._store.get(workflow_id, scope)
            return (await self.pinned(workflow_id, head.version)).definition
        except NotFound:
            return None

    async def latest(self, org_id: str, workspace: str, workflow_id: str) -> Pinned:
        """The version that is executed now. Raises NotFound, also where it is another organisation's or workspace's."""
        head, _ = await self._store.get(workflow_id, Scope(org_id, frozenset({workspace})))
        return await self.pinned(workflow_id, head.version)


def _read(document: str) -> Definition:
    definition = read_back(document)
    read_all(definition)
    return definition
