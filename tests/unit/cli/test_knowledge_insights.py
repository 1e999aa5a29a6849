"""`aragora knowledge insights`, `share`, `withdraw` and `release`, beside a server that speaks their routes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from aragora.cli.knowledge_insights import PATH, insights, release, share, withdraw
from aragora.errors import Conflict, InvalidInput
from aragora.server.chapters.knowledge_insights import InsightQuery, ShareInsight
from aragora.server.knowledge import Asking

SHARE = "ins_" + 32 * "1"


@dataclass
class MoundServer:
    """What the server was asked; each request is taken as the real one takes it."""

    url: str = ""
    asked: list[Asking] = field(default_factory=list)
    withdrawn: list[str] = field(default_factory=list)
    released: list[str] = field(default_factory=list)

    async def share(self, request: web.Request) -> web.Response:
        self.asked.append(ShareInsight.model_validate(await request.json()))
        return web.json_response(one(delivered=False, why="its confidence 0.5 is below 0.6"), status=201)

    async def listing(self, request: web.Request) -> web.Response:
        self.asked.append(InsightQuery.model_validate(dict(request.query)))
        return web.json_response({"insights": [one(), one(why="it waits")], "next_cursor": None})

    async def withdraw(self, request: web.Request) -> web.Response:
        self.withdrawn.append(request.match_info["share_id"])
        return web.json_response(one(status="withdrawn"))

    async def release(self, request: web.Request) -> web.Response:
        self.released.append(request.match_info["share_id"])
        if len(self.released) > 1:  # as the real one answers where there is nothing to release
            return web.json_response({"error": {"code": "conflict", "message": "it is shared"}}, status=409)
        return web.json_response(one())


def one(**changes: Any) -> dict[str, Any]:
    return {
        "share_id": SHARE, "source_workspace": "research", "task_type": "debate", "content": "Three rounds do.",
        "confidence": 0.85, "created_at": "2026-01-31T12:00:00", "status": "shared", "delivered": True, "why": "",
        **changes,
    }  # fmt: skip


@pytest.fixture
async def server() -> AsyncIterator[MoundServer]:
    mound = MoundServer()
    app = web.Application()
    app.router.add_post(PATH, mound.share)
    app.router.add_get(PATH, mound.listing)
    app.router.add_delete(PATH + "/{share_id}", mound.withdraw)
    app.router.add_post(PATH + "/{share_id}/release", mound.release)
    async with TestServer(app) as running:
        mound.url = str(running.make_url("")).rstrip("/")
        yield mound


async def test_they_are_listed_with_the_claim_and_why_one_is_not_delivered(
    server: MoundServer, capsys: pytest.CaptureFixture[str]
) -> None:
    await asyncio.to_thread(insights, task_type="debate", shared=True, workspace="research", url=server.url)
    assert server.asked == [InsightQuery(task_type="debate", direction="shared", workspace="research", limit=20)]
    told = capsys.readouterr().out
    for part in (SHARE, "Three rounds do.", "claimed 0.85", "from research", "not delivered: it waits"):
        assert part in told


async def test_sharing_says_that_it_is_not_delivered(server: MoundServer, capsys: pytest.CaptureFixture[str]) -> None:
    await asyncio.to_thread(share, "Three rounds do.", to=["ops"], confidence=0.5, url=server.url)
    (asked,) = server.asked
    assert isinstance(asked, ShareInsight)
    assert (asked.target_workspaces, asked.source_workspace) == (("ops",), None)
    assert asked.insight_id.startswith("insight_")
    assert "not delivered: its confidence 0.5 is below 0.6" in capsys.readouterr().out


async def test_one_is_withdrawn_by_its_share_id(server: MoundServer) -> None:
    await asyncio.to_thread(withdraw, SHARE, url=server.url)
    assert server.withdrawn == [SHARE]


async def test_one_is_released_once_and_the_second_time_is_refused(
    server: MoundServer, capsys: pytest.CaptureFixture[str]
) -> None:
    await asyncio.to_thread(release, SHARE, url=server.url)
    assert f"{SHARE} is delivered." in capsys.readouterr().out
    with pytest.raises(Conflict):
        await asyncio.to_thread(release, SHARE, url=server.url)
    assert server.released == [SHARE, SHARE]


def test_what_is_no_share_id_never_becomes_a_path() -> None:
    from aragora.cli.knowledge_insights import _id

    with pytest.raises(InvalidInput):
        _id("../items/kn_1")
