"""`aragora decide`, beside a server that settles questions in each of its ways."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from worlds.signed_receipts import signed_receipt

from aragora import encoding
from aragora.cli.decide import PATH
from aragora.debate.journal import rows_of
from aragora.debate.model import ConsensusMode, ConsensusReached, DebateEnded, DebateStatus, Decision
from aragora.server.chapters.decisions import CachedDecision, DecideQuestion, UnderWay

ROUTE = {
    "target": "debate",
    "rule": "usual",
    "why": "no other rule applies",
    "rules_version": "1",
    "policy_version": "1",
}
EXE = "exe_" + 32 * "a"
DECISION = Decision(
    reached=True,
    answer="Tea.",
    winner="ada",
    confidence=0.75,
    mode=ConsensusMode.MAJORITY,
    tallies=(),
    dissent=(),
    rounds=1,
    cost_usd=0.0123,
    explanation="Two of three votes.",
)


def under_way(**changes: Any) -> dict[str, Any]:
    told = {
        "cached": False, "debate_id": "deb_1", "status": "queued", "joined": False, "ws_url": "", "workflow": None,
        "execution_id": None, "route": ROUTE, **changes,
    }  # fmt: skip
    return UnderWay.model_validate(told).model_dump(mode="json")


def kept(**changes: Any) -> dict[str, Any]:
    told = {
        "cached": True, "debate_id": "deb_1", "status": "completed", "question": "Tea \x1b[31mor coffee?", "near": False,
        "age_s": 7_300.0, "cost_usd": 0.0, "saved_usd": 0.0123, "ws_url": "", "decision": encoding.to_plain(DECISION),
        "receipt": {"receipt_id": "rcp_1"}, "route": {**ROUTE, "target": "cache", "why": "this was decided before"},
        **changes,
    }  # fmt: skip
    return CachedDecision.model_validate(told).model_dump(mode="json")


class Router:
    """What was asked, as the real server takes it, and what it answers."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[DecideQuestion] = []
        self.headers: list[str | None] = []
        self.keys: set[str] = set()
        self.answer: Any = under_way()
        self.status = DebateStatus.COMPLETED

    async def health(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "version": "1.0.0"})

    async def decide(self, request: web.Request) -> web.Response:
        self.asked.append(DecideQuestion.model_validate(await request.json()))
        self.headers.append(request.headers.get("Cache-Control"))
        self.keys.add(request.headers["Idempotency-Key"])
        return web.json_response(self.answer, status=200 if isinstance(self.answer, dict) else 202)

    async def debate(self, _request: web.Request) -> web.Response:
        done = self.status is DebateStatus.COMPLETED
        decision = encoding.to_plain(DECISION) if done else None
        return web.json_response({"debate_id": "deb_1", "status": self.status, "decision": decision})

    async def receipt(self, _request: web.Request) -> web.Response:
        return web.json_response(signed_receipt())

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.receive()
        told = (ConsensusReached(1, DECISION),) if self.status is DebateStatus.COMPLETED else ()
        for row in rows_of("deb_1", 1, 1_700_000_000.0, (*told, DebateEnded(self.status, "over", 1, 0.0123))):
            await ws.send_str(row.payload)
        await ws.close()
        return ws


@pytest.fixture
async def router() -> AsyncIterator[Router]:
    site = Router()
    app = web.Application()
    app.router.add_get("/api/health", site.health)
    app.router.add_post(PATH, site.decide)
    app.router.add_get("/api/debates/deb_1", site.debate)
    app.router.add_get("/api/debates/deb_1/receipt", site.receipt)
    app.router.add_get("/ws", site.socket)
    async with TestServer(app) as running:
        site.url = str(running.make_url("")).rstrip("/")
        yield site


async def test_a_debate_is_watched_and_the_way_and_the_cost_are_told(
    router: Router, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await type_command("decide", "Tea or coffee?", "--url", router.url) == 0
    assert router.asked == [DecideQuestion(question="Tea or coffee?")]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Route: to debate, by the rule 'usual': no other rule applies."
    assert "Tea." in lines
    assert lines[-2] == "Decided now: it cost $0.0123."
    assert f"aragora verify deb_1 --url {router.url}" in lines[-1]


async def test_a_decision_of_before_says_so(
    router: Router, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    router.answer = kept(near=True)
    assert await type_command("decide", "Coffee or tea?", "--url", router.url) == 0
    told = capsys.readouterr().out
    assert "Route: to cache" in told
    assert "It was asked in other words: Tea [31mor coffee?" in told
    assert "Tea." in told
    assert "Decided before, 2 hours ago: it costs nothing, and saves $0.0123." in told
    assert f"aragora verify deb_1 --url {router.url}" in told
    assert "\x1b" not in told


async def test_everything_that_is_given_is_sent(router: Router, type_command: Any) -> None:
    router.answer = kept()
    words = (
        *(
            "--stakes",
            "high",
            "--agents",
            "ada,bob",
            "--protocol",
            "council",
            "--options",
            "tea,coffee",
            "--context",
            "c",
        ),
        *(
            "--budget",
            "2",
            "--deadline",
            "60",
            "--max-age",
            "5",
            "--fresh",
            "--tag",
            "a",
            "--tag",
            "b",
            "--workspace",
            "lab",
        ),
    )
    assert await type_command("decide", "Tea?", *words, "--url", router.url, "--json") == 0
    wanted = {
        "question": "Tea?", "stakes": "high", "agents": ["ada", "bob"], "protocol": "council", "options": ["tea", "coffee"],
        "context": "c", "budget_usd": 2, "deadline_s": 60, "max_age_s": 5, "tags": ["a", "b"], "workspace": "lab",
    }  # fmt: skip
    assert router.asked == [DecideQuestion.model_validate(wanted)]
    assert router.headers == ["no-cache"]


async def test_a_workflow_is_named_and_not_waited_for(
    router: Router, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    router.answer = under_way(debate_id=None, status=None, workflow="Sign-off", execution_id=EXE)
    assert await type_command("decide", "Tea?", "--url", router.url) == 0
    assert f"aragora executions watch {EXE} --url {router.url}" in capsys.readouterr().out


async def test_json_is_one_document_with_decision_cost_and_receipt(
    router: Router, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    router.answer = under_way(joined=True)
    assert await type_command("decide", "Tea?", "--url", router.url, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["joined"], told["status"], told["cost_usd"]) == (True, "completed", 0.0123)
    assert told["decision"]["answer"] == "Tea."
    assert told["receipt"] == signed_receipt()
    router.answer = kept()
    assert await type_command("decide", "Tea?", "--url", router.url, "--json") == 0
    assert json.loads(capsys.readouterr().out) == router.answer
    assert len(router.keys) == 2


async def test_a_debate_that_failed_is_exit_code_1(router: Router, type_command: Any) -> None:
    router.status = DebateStatus.FAILED
    assert await type_command("decide", "Tea?", "--url", router.url) == 1


@pytest.mark.parametrize("answer", [[], {}, {"route": 3}, None])
async def test_what_is_no_answer_of_an_aragora_server_is_told_so(
    router: Router, type_command: Any, capsys: pytest.CaptureFixture[str], answer: Any
) -> None:
    router.answer = answer
    assert await type_command("decide", "Tea?", "--url", router.url) == 2
    assert "is no Aragora server" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [("",), ("Tea?", "--stakes", "odd"), ("Tea?", "--budget", "0"), ("Tea?", "--max-age", "-1")]
)
async def test_what_cannot_be_meant_is_wrong_usage_here_too(
    router: Router, type_command: Any, words: tuple[str, ...]
) -> None:
    assert await type_command("decide", *words, "--url", router.url) == 2
    assert router.asked == []
