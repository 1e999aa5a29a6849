"""What people say of knowledge that is there: that it does not hold, that it does, that it may be read."""

from __future__ import annotations

from typing import Annotated

from fastapi import Body
from starlette.responses import Response

from aragora.identity.rbac import KNOWLEDGE_MANAGE, KNOWLEDGE_WRITE
from aragora.server.chapter import Call, Chapter
from aragora.server.knowledge import ItemId, KnowledgePorts, detail, noted, reach
from aragora.server.knowledge_asks import Remark, Why
from aragora.server.knowledge_views import ItemDetail

knowledge_judging: Chapter[KnowledgePorts] = Chapter("knowledge")


@knowledge_judging.post(
    "/api/knowledge/items/{item_id}/dispute", needs=KNOWLEDGE_WRITE, gives=ItemDetail, refuses=(409,)
)
async def dispute(call: Call[KnowledgePorts], item_id: ItemId, body: Why) -> Response:
    """Say that it does not hold, and why. It is still found, and says that it is disputed; one person lowers its
    confidence once."""
    item = await call.ports.keeper.dispute(reach(call), item_id, call.who.user_id, body.reason)
    return await detail(call, item)


@knowledge_judging.post(
    "/api/knowledge/items/{item_id}/confirm", needs=KNOWLEDGE_MANAGE, gives=ItemDetail, refuses=(409,)
)
async def confirm(
    call: Call[KnowledgePorts], item_id: ItemId, body: Annotated[Remark | None, Body()] = None
) -> Response:
    """Say that somebody has looked, and it holds: it is disputed no more. 409 `own_words` for what only the caller has
    said; somebody else must confirm that."""
    async with noted(call, "confirm", item_id):
        item = await call.ports.keeper.confirm(reach(call), item_id, call.who.user_id, (body or Remark()).note)
    return await detail(call, item)


@knowledge_judging.post(
    "/api/knowledge/items/{item_id}/release", needs=KNOWLEDGE_MANAGE, gives=ItemDetail, refuses=(409,)
)
async def release(
    call: Call[KnowledgePorts], item_id: ItemId, body: Annotated[Remark | None, Body()] = None
) -> Response:
    """Let it out of quarantine: from now on it is found, and agents may be offered it. 409 where it is not there."""
    async with noted(call, "release", item_id):
        item = await call.ports.keeper.release(reach(call), item_id, call.who.user_id, (body or Remark()).note)
    return await detail(call, item)
