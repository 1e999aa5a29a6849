"""`aragora knowledge forget` and `forgettings`, beside a server that speaks their routes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from aragora.cli.knowledge_forget import forget, forgettings
from aragora.errors import InvalidInput
from aragora.server.chapters.forgetting import AskForgetting

ITEM = "kn_" + 32 * "1"
FORGETTING = "fgt_" + 32 * "2"


@dataclass
class MoundServer:
    """What the server was asked; each request is taken as the real one takes it."""

    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)

    async def forget(self, request: web.Request) -> web.Response:
        body = await request.json()
        AskForgetting.model_validate(body)
        self.asked.append(body)
        self.keys.append(request.headers.get("Idempotency-Key"))
        return web.json_response(done(stage=None if body["dry_run"] else "certified"))

    async def listing(self, request: web.Request) -> web.Response:
        self.asked.append(dict(request.query))
        return web.json_response({"forgettings": [done()], "next_cursor": None})


def done(**changes: Any) -> dict[str, Any]:
    return {
        "forgetting_id": FORGETTING, "certificate_id": "crt_2", "workspace": "default", "asked_by": "usr_1", "at": 1.0,
        "by": {"kind": "item", "named": [ITEM]}, "stage": "certified", "forgotten": [ITEM], "withdrawn": ["kn_2"],
        "removed": {}, "more": False, "certificate": {"receipt_id": "crt_2"}, **changes,
    }  # fmt: skip


@pytest.fixture
async def server() -> AsyncIterator[MoundServer]:
    mound = MoundServer()
    app = web.Application()
    app.router.add_post("/api/knowledge/forget", mound.forget)
    app.router.add_get("/api/knowledge/forgettings", mound.listing)
    async with TestServer(app) as running:
        mound.url = str(running.make_url("")).rstrip("/")
        yield mound


async def typed(command: Any, *arguments: Any, **options: Any) -> None:
    await asyncio.to_thread(command, *arguments, **options)


async def test_it_forgets_after_agreement_and_writes_the_certificate(
    server: MoundServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "certificate.json"
    await typed(forget, [ITEM], certificate=file, yes=True, url=server.url)
    assert server.asked == [{"by": {"item_ids": [ITEM]}, "dry_run": False}]
    assert server.keys[0] is not None
    assert json.loads(file.read_text()) == {"receipt_id": "crt_2"}
    assert "1 item" in capsys.readouterr().out


async def test_a_dry_run_asks_nobody_and_forgets_nothing(
    server: MoundServer, capsys: pytest.CaptureFixture[str]
) -> None:
    await typed(forget, query="the vault", workspace="research", dry_run=True, url=server.url)
    assert server.asked == [{"by": {"query": "the vault"}, "workspace": "research", "dry_run": True}]
    assert "would go" in capsys.readouterr().out


async def test_without_agreement_nothing_is_forgotten(server: MoundServer) -> None:
    with pytest.raises(InvalidInput, match="--yes"):
        await typed(forget, debate="deb_1", url=server.url)
    assert [asked["dry_run"] for asked in server.asked] == [True]


@pytest.mark.parametrize("named", [{}, {"subject": "a", "query": "b"}])
def test_exactly_one_thing_is_named(named: dict[str, str]) -> None:
    with pytest.raises(InvalidInput):
        forget(**named)


async def test_a_certificate_that_cannot_be_written_says_that_it_is_forgotten(
    server: MoundServer, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInput, match="It is forgotten"):
        await typed(forget, [ITEM], certificate=tmp_path, yes=True, url=server.url)


async def test_forgettings_are_listed(server: MoundServer, capsys: pytest.CaptureFixture[str]) -> None:
    await typed(forgettings, workspace="*", url=server.url)
    assert server.asked == [{"limit": "20", "workspace": "*"}]
    assert FORGETTING in capsys.readouterr().out
