"""The operator's side of the Knowledge Mound: how far its adapters have come, a sync on demand, and the index of
meanings built anew."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Protocol

from fastapi import Body, Path
from pydantic import BaseModel, Field, StrictBool
from starlette.responses import Response

from aragora.encoding import to_plain
from aragora.errors import Conflict, NotFound
from aragora.identity.rbac import ADMIN, KNOWLEDGE_READ
from aragora.knowledge.near import Rebuild, Stage
from aragora.knowledge.syncs import Outcome, Standing, Synced
from aragora.server.chapter import Call, Chapter
from aragora.server.knowledge import Asking, noted
from aragora.server.ports import AuditTrail
from aragora.server.views import UNCACHED, json_response


class Adapters(Protocol):
    """The adapters, wherever they run (`actors.gateways.knowledge.AdapterCommands`)."""

    async def awake(self) -> Collection[str]:
        """Those that have a process now. Raises Unavailable."""
        ...

    async def sync(self, adapter: str) -> Synced:
        """What it did of that which waits. Raises Unavailable, within a bounded time."""
        ...


class Standings(Protocol):
    """How far they have come (`aragora.knowledge.store.adapters.AdapterBook`)."""

    async def standings(self, adapters: Collection[str]) -> list[Standing]:
        """In their order. Raises Unavailable."""
        ...


class Index(Protocol):
    """The index of meanings, wherever it runs (`actors.gateways.knowledge.IndexCommands`)."""

    async def rebuild(self, *, anew: bool) -> Rebuild:
        """Have it built anew. Raises Unavailable."""
        ...

    async def rebuilding(self) -> Rebuild | None:
        """How far that is. Raises Unavailable."""
        ...


@dataclass(frozen=True, slots=True)
class KnowledgeOperationsPorts:
    """What these routes call. `names` are the adapters that there are, `on` those that learn."""

    names: Collection[str]
    on: Collection[str]
    adapters: Adapters
    book: Standings
    index: Index
    audit: AuditTrail


knowledge_operations: Chapter[KnowledgeOperationsPorts] = Chapter("knowledge")

_Adapter = Annotated[str, Path(max_length=64, description="as GET /api/knowledge/adapters names it")]


class AdapterState(StrEnum):
    """Whether an adapter has a process. It begins one when something waits, and ends it when it was idle for long."""

    AWAKE = "awake"
    PASSIVATED = "passivated"
    OFF = "off"


class RoundView(BaseModel):
    """A round of an adapter, of what the outbox brought or on demand."""

    at: Annotated[float, Field(description="when it ended, in seconds since the epoch")]
    outcome: Outcome
    debates: Annotated[int, Field(description="that it read; `control_plane`: attempts at tasks")]
    gathered: Annotated[int, Field(description="items that it found in them")]
    written: Annotated[int, Field(description="of these, how many are new or grew")]
    noted: Annotated[int, Field(description="notes that it kept beside items")]
    skipped: Annotated[dict[str, int], Field(description="debates, and items, that came to nothing, by why")]


class AdapterView(BaseModel):
    adapter: str
    state: AdapterState
    backlog: Annotated[int, Field(description="debates that wait for it, or attempts at tasks")]
    lag_s: Annotated[float, Field(description="how long the oldest of them has waited")]
    cursor_at: Annotated[
        float | None, Field(description="when the newest debate that it learnt from ended; null: of none yet")
    ]
    last: Annotated[RoundView | None, Field(description="null: it had none yet")]


class AdapterList(BaseModel):
    adapters: list[AdapterView]


class SyncedView(BaseModel):
    """What a sync did; `backlog` and `lag_s` are of the moment after it."""

    adapter: str
    debates: int
    gathered: int
    written: int
    noted: int
    skipped: dict[str, int]
    backlog: int
    lag_s: float


class RebuildView(BaseModel):
    rebuild_id: str
    stage: Stage
    embed_anew: bool
    done: Annotated[int, Field(description="vectors that are loaded, or computed again")]
    of: int
    refused: Annotated[int, Field(description="texts that cannot be embedded, and are found by their words")]
    began_at: float
    ended_at: float | None


class Reindexing(BaseModel):
    rebuild: Annotated[
        RebuildView | None, Field(description="the last one since the index's process began; null: none was asked for")
    ]


class Reindex(Asking):
    """What to do."""

    embed_anew: Annotated[
        StrictBool, Field(description="compute every vector again as well, in the background, beside searches")
    ] = False


@knowledge_operations.get("/api/knowledge/adapters", needs=KNOWLEDGE_READ, gives=AdapterList, refuses=(503,))
async def adapters(call: Call[KnowledgeOperationsPorts]) -> Response:
    """What learns from debates that have ended, and from tasks, how much waits for it and how long, and what it did
    last. Counts are of the whole installation. Asking wakes none."""
    ports = call.ports
    awake = await ports.adapters.awake()
    shown = [_shown(one, _state(ports, one.adapter, awake)) for one in await ports.book.standings(ports.names)]
    return json_response({"adapters": shown}, headers=UNCACHED)


@knowledge_operations.post("/api/knowledge/adapters/{adapter}/sync", needs=ADMIN, gives=SyncedView, refuses=(409, 503))
async def sync(call: Call[KnowledgeOperationsPorts], adapter: _Adapter) -> Response:
    """Have an adapter work off what waits for it, for 20 seconds at most: see `backlog` for what is left. Whoever asks
    while it does so gets the same answer. 404 `unknown_adapter` names those that there are; 409 where they are off."""
    ports = call.ports
    if adapter not in ports.names:
        raise NotFound(f"there is no such adapter: there are {', '.join(ports.names)}", code="unknown_adapter")
    if not ports.on:
        raise Conflict("nothing is learnt from debates: ARAGORA_KNOWLEDGE is off", code="knowledge_off")
    if adapter not in ports.on:
        raise Conflict("nothing is learnt from tasks: CP_ENABLE_KM is off", code="knowledge_off")
    async with noted(call, "sync", adapter):
        done = await ports.adapters.sync(adapter)
    return json_response({**to_plain(done), "lag_s": round(done.lag_s, 3)}, headers=UNCACHED)


@knowledge_operations.get("/api/knowledge/reindex", needs=ADMIN, gives=Reindexing, refuses=(503,))
async def reindexing(call: Call[KnowledgeOperationsPorts]) -> Response:
    """How far it is that the index of meanings is built anew."""
    return json_response({"rebuild": _rebuilt(await call.ports.index.rebuilding())}, headers=UNCACHED)


@knowledge_operations.post("/api/knowledge/reindex", needs=ADMIN, gives=Reindexing, status=202, refuses=(503,))
async def reindex(call: Call[KnowledgeOperationsPorts], body: Annotated[Reindex | None, Body()] = None) -> Response:
    """Have the index of meanings built anew from the store, in the background. Until the stored vectors are loaded,
    searches go by words and say so. Asking again while that goes on changes nothing, except that `embed_anew` is
    added."""
    anew = (body or Reindex()).embed_anew
    async with noted(call, "reindex", "index of meanings", embed_anew=str(anew).lower()):
        begun = await call.ports.index.rebuild(anew=anew)
    return json_response({"rebuild": _rebuilt(begun)}, 202, UNCACHED)


def _state(ports: KnowledgeOperationsPorts, adapter: str, awake: Collection[str]) -> AdapterState:
    if adapter not in ports.on:
        return AdapterState.OFF
    return AdapterState.AWAKE if adapter in awake else AdapterState.PASSIVATED


def _shown(one: Standing, state: AdapterState) -> dict[str, Any]:
    return {
        "adapter": one.adapter,
        "state": state,
        "backlog": one.backlog,
        "lag_s": round(one.lag_s, 3),
        "cursor_at": one.cursor_at,
        "last": None if one.last is None else to_plain(one.last),
    }


def _rebuilt(rebuild: Rebuild | None) -> dict[str, Any] | None:
    return None if rebuild is None else to_plain(rebuild)
