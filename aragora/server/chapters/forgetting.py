"""Forgetting knowledge: by item, subject, words, debate or person, each with its certificate. Nothing out of the
caller's reach is told apart from what does not exist."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Protocol

from fastapi import Path, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, model_validator
from starlette.responses import Response

from aragora import limits
from aragora.errors import Forbidden, NotFound
from aragora.identity import workspaces
from aragora.identity.rbac import KNOWLEDGE_MANAGE, KNOWLEDGE_READ, KNOWLEDGE_WRITE
from aragora.knowledge.forgetter import Done, Forgetter, Wish
from aragora.knowledge.forgetting import By, Forgetting, Stage, added_by
from aragora.knowledge.insights import SharedInsight, unknown_insight
from aragora.knowledge.model import Item
from aragora.knowledge.planning import unknown_item
from aragora.scope import Scope
from aragora.server.chapter import Call, Chapter
from aragora.server.knowledge import ItemId, covered, noted, reach
from aragora.server.ports import AuditTrail
from aragora.server.schemas import IdempotencyKey, Line, Prose, Workspace, Workspaces
from aragora.server.views import UNCACHED, json_response

ITEMS_NAMED: Final = 500
_FORGETTING_ID: Final = re.compile(r"fgt_[0-9a-f]{32}")


class Items(Protocol):
    """Reads items (`aragora.knowledge.store.reading.KnowledgeReader`)."""

    async def some(self, scope: Scope, item_ids: Sequence[str]) -> list[Item]: ...


class Insights(Protocol):
    """Reads what the workspaces of a scope shared (`aragora.knowledge.store.insights.InsightStore`)."""

    async def some(self, scope: Scope, share_ids: Sequence[str]) -> list[SharedInsight]: ...


@dataclass(frozen=True, slots=True)
class ForgettingPorts:
    """What these routes call. `forgetter` is there once the store has forgotten again what certificates name."""

    forgetter: Callable[[], Awaitable[Forgetter]]
    items: Items
    insights: Insights
    audit: AuditTrail


forgetting: Chapter[ForgettingPorts] = Chapter("knowledge")


def _of_a_forgetting(text: str) -> str:
    if _FORGETTING_ID.fullmatch(text) is None:
        raise NotFound("there is no forgetting of that id", code="forgetting_not_found")
    return text


_ForgettingId = Annotated[str, Path(), AfterValidator(_of_a_forgetting)]
_Named = Annotated[Line, Field(min_length=1, max_length=limits.DEBATE_ID_MAX_CHARS)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class ForgetBy(_Request):
    """How it is named: one of these."""

    item_ids: Annotated[tuple[_Named, ...], Field(min_length=1, max_length=ITEMS_NAMED)] | None = None
    subject: Annotated[
        Line | None, Field(min_length=1, max_length=limits.QUESTION_MAX_CHARS, description="whatever its case")
    ] = None
    debate_id: _Named | None = None
    user_id: Annotated[_Named | None, Field(description="what that person said, or the debates they opened")] = None
    insight_ids: Annotated[
        tuple[_Named, ...] | None,
        Field(min_length=1, max_length=ITEMS_NAMED, description="share ids of insights that a workspace shared"),
    ] = None
    query: Annotated[
        Prose | None,
        Field(min_length=1, max_length=limits.QUESTION_MAX_CHARS, description="items that hold all of these words"),
    ] = None

    @model_validator(mode="after")
    def _one(self) -> ForgetBy:
        if len([value for value in dict(self).values() if value is not None]) != 1:
            raise ValueError("name exactly one of item_ids, subject, debate_id, user_id, query and insight_ids")
        return self

    def named(self) -> tuple[By, tuple[str, ...]]:
        """What is named, and how."""
        if self.item_ids is not None:
            return By.ITEM, self.item_ids
        if self.insight_ids is not None:
            return By.INSIGHT, self.insight_ids
        each = {By.SUBJECT: self.subject, By.DEBATE: self.debate_id, By.PERSON: self.user_id, By.QUERY: self.query}
        return next((by, (value,)) for by, value in each.items() if value is not None)


class AskForgetting(_Request):
    """What to forget. Items and a debate are looked for in all that the caller may use; the rest in one workspace."""

    by: ForgetBy
    workspace: Annotated[Workspace | None, Field(description="unsaid: the API key's, else `default`")] = None
    dry_run: Annotated[StrictBool, Field(description="only say what would go")] = False


class NamedBy(BaseModel):
    kind: By
    named: Annotated[list[str], Field(description="ids; of a subject and of words the SHA-256")]


class ForgettingView(BaseModel):
    forgetting_id: Annotated[str | None, Field(description="null for a dry run")]
    certificate_id: str | None
    workspace: str
    by: NamedBy
    asked_by: str
    at: float
    stage: Annotated[Stage | None, Field(description="null for a dry run, of which nothing is kept")]
    forgotten: Annotated[list[str], Field(description="ids of items that are gone")]
    withdrawn: Annotated[list[str], Field(description="ids of items that lost a source, and stand on others")]
    insights: Annotated[list[str], Field(description="share ids of insights that are gone")]
    removed: Annotated[dict[str, int], Field(description="rows by place")]
    more: Annotated[bool, Field(description="whether further items fit: ask again")]


class CertifiedForgetting(ForgettingView):
    certificate: Annotated[
        dict[str, Any] | None,
        Field(description="signed, in the receipt chain; null for a dry run, or where the chain does not have it"),
    ]


class ForgettingList(BaseModel):
    forgettings: list[ForgettingView]
    next_cursor: str | None


@forgetting.delete("/api/knowledge/items/{item_id}", needs=KNOWLEDGE_WRITE, gives=CertifiedForgetting)
async def delete(call: Call[ForgettingPorts], item_id: ItemId) -> Response:
    """Forget an item and what was made of it; again, it gives the same certificate. An item that the caller has not
    added itself takes the right `knowledge.manage`."""
    return await _forget(call, reach(call), Wish(By.ITEM, (item_id,), ""), None)


@forgetting.post("/api/knowledge/forget", needs=KNOWLEDGE_WRITE, gives=CertifiedForgetting, refuses=(404, 409))
async def forget(call: Call[ForgettingPorts], body: AskForgetting, idempotency_key: IdempotencyKey = None) -> Response:
    """Forget what is named, and what was made of it. Of an item that another debate or person also said, only the word
    of the forgotten one is taken out. The same Idempotency-Key gives the same forgetting. Anything but items that the
    caller has added and insights that it has shared itself takes the right `knowledge.manage`."""
    by, named = body.by.named()
    wish = Wish(by, named, workspaces.chosen(call.who, body.workspace))
    own = reach(call)
    scope = own if by in {By.ITEM, By.DEBATE, By.INSIGHT} else Scope(call.who.org_id, frozenset({wish.workspace}))
    if not body.dry_run:
        return await _forget(call, scope, wish, idempotency_key)
    await _check_right(call, scope, wish)
    draft = await (await call.ports.forgetter()).dry_run(scope, call.who.user_id, wish)
    none = {"forgetting_id": None, "certificate_id": None, "stage": None, "certificate": None}
    return json_response({**_view(draft), **none}, headers=UNCACHED)


@forgetting.get("/api/knowledge/forgettings", needs=KNOWLEDGE_READ, gives=ForgettingList)
async def listing(
    call: Call[ForgettingPorts],
    workspace: Workspaces = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: Annotated[Line | None, Query(max_length=512)] = None,
) -> Response:
    """What was forgotten, newest first."""
    page = await (await call.ports.forgetter()).page(covered(call, workspace), cursor=cursor, limit=limit)
    shown = [_view(one) for one in page.items]
    return json_response({"forgettings": shown, "next_cursor": page.next_cursor}, headers=UNCACHED)


@forgetting.get("/api/knowledge/forgettings/{forgetting_id}", needs=KNOWLEDGE_READ, gives=CertifiedForgetting)
async def get(call: Call[ForgettingPorts], forgetting_id: _ForgettingId) -> Response:
    """One forgetting with its certificate."""
    return _certified(await (await call.ports.forgetter()).get(reach(call), forgetting_id))


async def _forget(call: Call[ForgettingPorts], scope: Scope, wish: Wish, key: str | None) -> Response:
    await _check_right(call, scope, wish)
    forgetter = await call.ports.forgetter()
    # Words and subjects are what shall be gone: the log names them by a digest.
    target = wish.named[0] if wish.by not in {By.SUBJECT, By.QUERY} else wish.digest
    async with noted(call, "forget", target, by=wish.by.value, named=str(len(wish.named))):
        done = await forgetter.forget(scope, call.who.user_id, wish, key)
    return _certified(done)


async def _check_right(call: Call[ForgettingPorts], scope: Scope, wish: Wish) -> None:
    """Raises Forbidden unless the caller may forget others' things or all that is named is its own."""
    who = call.who
    if KNOWLEDGE_MANAGE.permission in who.permissions:
        return
    if wish.by is By.ITEM:
        items = await call.ports.items.some(scope, wish.named)
        for item_id in wish.named:
            if item_id not in {item.item_id for item in items if scope.holds(item.org_id, item.workspace)}:
                raise unknown_item(item_id)
        if all(added_by(item, who.user_id) for item in items):
            return
    if wish.by is By.INSIGHT:
        shared = {one.share_id: one for one in await call.ports.insights.some(scope, wish.named)}
        for share_id in wish.named:
            if share_id not in shared:
                raise unknown_insight(share_id)
        if all(one.shared_by == who.user_id for one in shared.values()):
            return
    raise Forbidden(
        "This takes the right knowledge.manage: without it you may forget the items that you have added and the "
        "insights that you have shared yourself."
    )


def _certified(done: Done) -> Response:
    certificate: Mapping[str, Any] | None = done.certificate
    return json_response({**_view(done.forgetting), "certificate": certificate}, headers=UNCACHED)


def _view(one: Forgetting) -> dict[str, Any]:
    return {
        "forgetting_id": one.forgetting_id,
        "certificate_id": one.certificate_id if one.stage is Stage.CERTIFIED else None,
        "workspace": one.workspace,
        "by": {"kind": one.asked.by, "named": one.asked.named},
        "asked_by": one.asked_by,
        "at": one.at,
        "stage": one.stage,
        "forgotten": one.forgotten,
        "withdrawn": [item.item_id for item in one.withdrawn],
        "insights": one.insights,
        "removed": one.removed,
        "more": one.more,
    }
