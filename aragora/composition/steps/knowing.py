"""The steps `knowledge_search` and `knowledge_write`: in the execution's workspace, in the name of who started it."""

from __future__ import annotations

from typing import Any

from aragora.clock import Clock
from aragora.composition.steps.provenance import Provenance
from aragora.encoding import encode
from aragora.knowledge.confidence import confidence_of
from aragora.knowledge.keeping import Keeper, refusal_of
from aragora.knowledge.model import Home, Item, ItemKind, Statement
from aragora.knowledge.noting import brought
from aragora.knowledge.searching import Searching
from aragora.knowledge.store.requests import Request
from aragora.scope import Scope
from aragora.workflows.model import Ask, Done, ExecutionStarted, Reply


class KnowledgeSearching:
    """Does steps of the kind `knowledge_search`."""

    def __init__(self, searching: Searching) -> None:
        self._searching = searching

    async def do(self, ask: Ask, started: ExecutionStarted) -> Reply:
        """What there is for the query. Raises InvalidInput, Unavailable."""
        scope = Scope(started.org_id, frozenset({started.workspace}))
        answer = await self._searching.search(scope, ask.what["query"], k=ask.what["limit"])
        return Done(ask.ask_id, {"items": [_shown(result.item) for result in answer.results]})

    async def stop(self, ref: str, started: ExecutionStarted) -> None:
        """Nothing goes on."""


class KnowledgeWriting:
    """Does steps of the kind `knowledge_write`."""

    def __init__(self, keeper: Keeper, provenance: Provenance, clock: Clock) -> None:
        self._keeper = keeper
        self._provenance = provenance
        self._clock = clock

    async def do(self, ask: Ask, started: ExecutionStarted) -> Reply:
        """Keep the fact; the ask's id makes it one. Raises InvalidInput, Conflict (forgotten), Unavailable."""
        statement = Statement(kind=ItemKind.FACT, content=ask.what["text"], topics=tuple(ask.what["topics"]))
        found = brought(statement, await self._provenance.of(ask, started, self._clock.now()))
        request = Request.of(started.started_by, ask.ask_id, encode(ask.what))
        (planned,) = await self._keeper.add(Home(started.org_id, started.workspace), [found], request)
        refused = refusal_of(planned)
        if refused is not None:
            raise refused
        return Done(ask.ask_id, {"item_id": planned.item.item_id})

    async def stop(self, ref: str, started: ExecutionStarted) -> None:
        """Nothing goes on."""


def _shown(item: Item) -> dict[str, Any]:
    return {
        "id": item.item_id,
        "kind": item.statement.kind.value,
        "text": item.statement.content,
        "confidence": confidence_of(item).value,
    }
