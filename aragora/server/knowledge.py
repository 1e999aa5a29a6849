"""What the chapters of knowledge share: their ports, the ids in their paths, and what a caller means by a workspace.

Knowledge belongs to an organisation. The operator of the installation sees every organisation elsewhere; here it has
its own one only, as everybody has: what one knows is not the other's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Annotated, Protocol, TypeVar

from fastapi import Path
from pydantic import AfterValidator, BaseModel, ConfigDict
from starlette.responses import Response

from aragora.clock import Clock
from aragora.identity import workspaces
from aragora.identity.audit import Outcome
from aragora.identity.auditing import audited
from aragora.knowledge.keeping import Keeper
from aragora.knowledge.memories import Memories
from aragora.knowledge.model import Home, Item
from aragora.knowledge.planning import unknown_item
from aragora.knowledge.sameness import ITEM_ID
from aragora.knowledge.searching import Searching
from aragora.knowledge.store.neighbours import Neighbours
from aragora.knowledge.store.outcomes import OutcomeStore
from aragora.knowledge.store.reading import KnowledgeReader
from aragora.knowledge.store.workspaces import WorkspaceSwitches
from aragora.scope import Scope
from aragora.server.chapter import Call
from aragora.server.knowledge_views import item_detail
from aragora.server.live.sockets import SocketRegistry
from aragora.server.ports import AuditTrail, DebateReader, ReceiptVerifier
from aragora.server.views import UNCACHED, json_response


@dataclass(frozen=True, slots=True)
class KnowledgePorts:
    """What these routes call. The stores connect with their first use. `export` gives the items of a scope, `debates`
    and `verifier` what an item came from, `memories` how it was used, `outcomes` what came of that, `sockets` are those
    of this process."""

    reader: KnowledgeReader
    neighbours: Neighbours
    switches: WorkspaceSwitches
    export: Callable[[Scope], AsyncIterator[Item]]
    keeper: Keeper
    searching: Searching
    memories: Memories
    outcomes: OutcomeStore
    debates: DebateReader
    verifier: ReceiptVerifier
    sockets: SocketRegistry
    audit: AuditTrail
    clock: Clock


class Asking(BaseModel):
    """A request of knowledge: nothing that it does not know, no number that is none."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, allow_inf_nan=False)


def _of_an_item(text: str) -> str:
    """Raises NotFound for what no item is called, before any store is asked."""
    if ITEM_ID.fullmatch(text) is None:
        raise unknown_item("of that id")
    return text


ItemId = Annotated[str, Path(), AfterValidator(_of_an_item)]


class Audited(Protocol):
    """Ports that have the audit log among them."""

    @property
    def audit(self) -> AuditTrail: ...


A = TypeVar("A", bound=Audited)
P = TypeVar("P")


def reach(call: Call[P]) -> Scope:
    """Where an id is looked for."""
    return replace(call.reach, org_id=call.who.org_id)


def covered(call: Call[P], workspace: str | None) -> Scope:
    """What a list or a search covers that names this workspace, or none. Raises InvalidInput, Forbidden."""
    return replace(call.within(workspace), org_id=call.who.org_id)


def home(call: Call[KnowledgePorts], workspace: str | None) -> Home:
    """Where something is added. Raises InvalidInput, Forbidden."""
    return Home(call.who.org_id, workspaces.chosen(call.who, workspace))


async def known(call: Call[KnowledgePorts], item: Item) -> set[str]:
    """The ids of the items that its links lead to, of those that the caller may know of."""
    linked = [link.item_id for link in item.links]
    return {one.item_id for one in await call.ports.reader.some(reach(call), linked)} if linked else set()


async def detail(call: Call[KnowledgePorts], item: Item) -> Response:
    """The answer that is one item."""
    return json_response(item_detail(item, await known(call, item)), headers=UNCACHED)


@asynccontextmanager
async def noted(call: Call[A], action: str, target: str, **details: str) -> AsyncIterator[None]:
    """Write to the audit log what the caller does, then do the block; where that is refused, a second entry says so.
    Raises Unavailable: what cannot be audited is not done."""
    who, audit = call.who, call.ports.audit

    async def note(outcome: Outcome, /, **of: str) -> None:
        await audit.note(
            call.visit, f"knowledge.{action}", who.actor, who.org_id, outcome, subject=who.user_id, target=target, **of
        )

    async with audited(note, **details):
        yield
