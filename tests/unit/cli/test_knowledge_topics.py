"""`aragora knowledge topics`, beside a server that speaks its route."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from aragora.cli.knowledge_topics import PATH, topics
from aragora.server.chapters.knowledge_topics import TopicList, TopicQuery


@dataclass
class MoundServer:
    """What the server was asked, as the real one takes it, and what it answers."""

    url: str = ""
    asked: list[TopicQuery] = field(default_factory=list)
    topics: list[dict[str, Any]] = field(default_factory=list)
    cut: bool = False
    why: str = ""

    async def listing(self, request: web.Request) -> web.Response:
        self.asked.append(TopicQuery.model_validate(dict(request.query)))
        told = {
            "workspace": "default", "days": 30, "debates": 500, "since": 1.0, "cut": self.cut,
            "topics": self.topics, "why": self.why,
        }  # fmt: skip
        return web.json_response(TopicList.model_validate(told).model_dump())


def topic(**changes: Any) -> dict[str, Any]:
    return {
        "name": "retry budget", "domain": None, "debates": 12, "questions": 1, "decided": 9, "recency": 4.25,
        "last_7_days": 7, "before_21_days": 3, "rising": True,
        "newest": {"debate_id": "deb_1", "question": "How large should the retry budget be?", "at": 1_700_000_000.0},
        **changes,
    }  # fmt: skip


@pytest.fixture
async def server() -> AsyncIterator[MoundServer]:
    mound = MoundServer()
    app = web.Application()
    app.router.add_get(PATH, mound.listing)
    async with TestServer(app) as running:
        mound.url = str(running.make_url("")).rstrip("/")
        yield mound


async def test_each_topic_has_its_counts_and_its_newest_question(
    server: MoundServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.topics = [topic(), topic(name="tea \x1b[31mcoffee", rising=None, newest=topic()["newest"])]
    await asyncio.to_thread(topics, days=7, limit=3, workspace="ops", url=server.url)
    assert server.asked == [TopicQuery(days=7, limit=3, workspace="ops")]
    told = capsys.readouterr().out
    assert told.splitlines()[:4] == [
        "retry budget  rising",
        "  12 debates of 1 question, 9 decided; 7 in the last 7 days, 3 in the 21 before",
        "  newest: How large should the retry budget be?",
        "  deb_1, 2023-11-14",
    ]
    assert told.count("rising") == 1
    assert "\x1b" not in told


async def test_it_says_why_there_is_none(server: MoundServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.why = "no debate was learnt from"
    await asyncio.to_thread(topics, url=server.url)
    assert capsys.readouterr().out == "There is none: no debate was learnt from.\n"


async def test_it_says_that_older_debates_are_left_out(server: MoundServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.topics, server.cut = [topic()], True
    await asyncio.to_thread(topics, url=server.url)
    assert capsys.readouterr().out.splitlines()[-1] == "Of the newest 500 debates: there are more."


async def test_a_program_gets_the_answer_as_it_is(server: MoundServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.topics = [topic()]
    await asyncio.to_thread(topics, url=server.url, as_json=True)
    assert json.loads(capsys.readouterr().out)["topics"] == [topic()]
