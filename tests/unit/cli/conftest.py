"""A small server that speaks the contract, with faults on order, and the command line to run against it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer
from worlds.signed_receipts import signed_receipt

from aragora import encoding
from aragora.cli.main import main
from aragora.debate.journal import rows_of
from aragora.debate.model import (
    AgentFailed,
    AnswerGiven,
    AskKind,
    ConsensusMode,
    ConsensusReached,
    ConvergenceMeasured,
    CritiqueGiven,
    DebateEnded,
    DebateOpened,
    DebateSpec,
    DebateStatus,
    Decision,
    Dissent,
    Event,
    Protocol,
    ReceiptIssued,
    RoundStarted,
    Tally,
    Usage,
    VoteCast,
)

DEBATE = "deb_1"
USAGE = Usage("stub", "stub-1", 10, 20, 0.0012, 0.5)
DECISION = Decision(
    reached=True,
    answer="Start with a monolith.",
    winner="ada",
    confidence=0.75,
    mode=ConsensusMode.MAJORITY,
    tallies=(Tally("ada", 2, 2.0, ("bob", "eve")), Tally("bob", 1, 1.0, ("ada",))),
    dissent=(Dissent("ada", "bob", "deployment is simpler"),),
    rounds=1,
    cost_usd=0.0123,
    explanation="Two of three votes.",
)


def outcome_version(right: str | None, note: str, version: int = 1) -> dict[str, Any]:
    return {
        "debate_id": DEBATE,
        "version": version,
        "right": right,
        "agents": [],
        "decision_right": right is not None,
        "confidence": 0.75,
        "workspace": "default",
        "domain": "general",
        "by": "local",
        "note": note,
        "at": 1_772_366_400.0,
        "recorded_at": 1_772_366_400.0,
    }


def debate_events(*, ending: DebateStatus = DebateStatus.COMPLETED, decision: Decision = DECISION) -> tuple[Event, ...]:
    spec = DebateSpec(DEBATE, "Monolith?", ("ada", "bob", "eve"), Protocol("structured", rounds=1), seed=1)
    talk: tuple[Event, ...] = (
        DebateOpened(spec),
        RoundStarted(1, spec.agents),
        AnswerGiven(1, "ada", "a1", AskKind.PROPOSE, "Keep \x1b[31m[bold]one[/bold]\x07 thing.", 0.8, ("fact",), USAGE),
        CritiqueGiven(1, "bob", "ada", "a2", ("too short",), ("say more",), 0.4, USAGE),
        AgentFailed(1, "eve", "a3", "deadline", "no answer in time"),
        ConvergenceMeasured(1, 0.91, converged=True),
        VoteCast(1, "bob", "a4", AskKind.VOTE, "ada", 0.7, "clear", (), USAGE),
    )
    if ending is not DebateStatus.COMPLETED:
        return (*talk, DebateEnded(ending, "every agent failed; check 'aragora agents'"))
    return (
        *talk,
        ConsensusReached(1, decision),
        ReceiptIssued("rcp_1", 1, "ab" * 32, "0" * 64, "sig", "key-1"),
        DebateEnded(ending, "decided", 1, 0.0123),
    )


@dataclass
class FakeServer:
    """What the server holds, what it was asked, and which faults it shows."""

    url: str = ""
    events: tuple[Event, ...] = field(default_factory=debate_events)
    status: DebateStatus = DebateStatus.COMPLETED
    decision: Decision = DECISION
    cuts: list[int] = field(default_factory=list)  # events sent before each successive connection is cut
    skips: list[int] = field(default_factory=list)  # seqs left out once
    unavailable: int = 0  # answers of 503 before the first good one
    store_away: bool = False
    last_error: str | None = None  # of its one agent, whose breaker is open
    cause: dict[str, str] | None = None  # why that agent is not asked until a person acts
    valid: bool = True
    receipt: dict[str, Any] = field(default_factory=signed_receipt)
    opened: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)
    subscriptions: list[int] = field(default_factory=list)
    questions: dict[str, str] = field(default_factory=lambda: {DEBATE: "Monolith?"})  # of its debates, newest first
    searches: list[str] = field(default_factory=list)  # prefixes that were asked for
    knows_prefixes: bool = True
    signed: list[dict[str, Any]] = field(default_factory=list)
    outcomes: list[dict[str, Any]] = field(default_factory=list)

    async def tell_outcome(self, request: web.Request) -> web.Response:
        self.outcomes.append(await request.json())
        return web.json_response(outcome_version(self.outcomes[-1]["right"], self.outcomes[-1]["note"]), status=201)

    async def outcome(self, _request: web.Request) -> web.Response:
        newest, first = outcome_version(None, "It failed.", 2), outcome_version("Start with a monolith.", "")
        return web.json_response({**newest, "history": [newest, first]})

    async def sign(self, request: web.Request) -> web.Response:
        self.signed.append(await request.json())
        return web.json_response({"debate_id": request.match_info["id"], "seq": 9}, status=201)

    @property
    def rows(self) -> list[str]:
        return self.rows_of(DEBATE)

    def rows_of(self, debate_id: str) -> list[str]:
        return [row.payload for row in rows_of(debate_id, 1, 1_700_000_000.0, self.events)]

    def debate(self, debate_id: str = DEBATE) -> dict[str, Any]:
        done = self.status is DebateStatus.COMPLETED
        waits = self.status is DebateStatus.WAITING
        return {
            "debate_id": debate_id,
            "question": self.questions[debate_id],
            "status": self.status,
            "rounds": 1,
            "decision": encoding.to_plain(self.decision) if done else None,
            "reason": None if done or waits else "every agent failed",
            "needs": ["user:cleo", "role:owner"],
            "proposed": {"decision": encoding.to_plain(self.decision), "missing": ["role:owner"]} if waits else None,
            "receipt_id": "rcp_1" if done else None,
            "created_at": 1_700_000_000.0,
            "outcome": {"reached": True, "answer": self.decision.answer, "winner": "ada", "confidence": 0.75}
            if done
            else None,
        }

    async def open_debate(self, request: web.Request) -> web.Response:
        self.keys.append(request.headers.get("Idempotency-Key"))
        self.tokens.append(request.headers.get("Authorization"))
        if self.unavailable:
            self.unavailable -= 1
            return refusal(503, "unavailable", "The server is starting.", Retry_After="0")
        body = await request.json()
        if "nobody" in body.get("agents", ()):
            return refusal(422, "invalid_input", "There is no agent nobody; see 'aragora agents'.")
        self.opened.append(body)
        answer = {"debate_id": DEBATE, "status": "queued", "ws_url": "ws://127.0.0.1:1/ws"}
        return web.json_response(answer, status=202)

    async def list_debates(self, request: web.Request) -> web.Response:
        prefix = request.query.get("prefix", "")
        self.searches += [prefix] if prefix else []
        wanted = prefix if self.knows_prefixes else ""
        found = [self.debate(debate_id) for debate_id in self.questions if debate_id.startswith(wanted)]
        return web.json_response({"debates": found[: int(request.query["limit"])], "next_cursor": "c2"})

    async def get_debate(self, request: web.Request) -> web.Response:
        if request.match_info["id"] not in self.questions:
            return refusal(404, "not_found", "There is no such debate.")
        return web.json_response(self.debate(request.match_info["id"]))

    async def get_events(self, request: web.Request) -> web.Response:
        after = int(request.query["after"])
        rows = self.rows_of(request.match_info["id"])[after : after + 3]
        return web.json_response(text=f'{{"events": [{",".join(rows)}]}}')

    async def verify(self, _request: web.Request) -> web.Response:
        checks = [{"name": "signature", "passed": self.valid, "detail": "key-1"}]
        return web.json_response({"valid": self.valid, "checks": checks})

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.send_json({"type": "connection_info", "data": {}, "timestamp": 0.0, "seq": 0, "loop_id": ""})
        message = await ws.receive()
        assert message.type is WSMsgType.TEXT
        subscription = message.json()
        if subscription["debate_id"] not in self.questions:
            await ws.send_json({"type": "error", "data": {"code": "not_found", "message": "There is no such debate."}})
            return ws
        self.subscriptions.append(subscription["after_seq"])
        rows = self.rows_of(subscription["debate_id"])
        budget = self.cuts.pop(0) if self.cuts else len(rows)
        for seq, row in enumerate(rows, start=1):
            if seq <= subscription["after_seq"]:
                continue
            if seq in self.skips:
                self.skips.remove(seq)
                continue
            if budget == 0:
                assert request.transport is not None
                request.transport.close()  # what was sent still arrives
                return ws
            budget -= 1
            await ws.send_str(row)
            await ws.send_str(row)  # at least once: a repeat must not show
        await ws.receive()
        return ws


def refusal(status: int, code: str, message: str, **headers: str) -> web.Response:
    body = {"error": {"code": code, "message": message}, "request_id": "req-7"}
    return web.json_response(body, status=status, headers={name.replace("_", "-"): v for name, v in headers.items()})


def away() -> web.Response:
    return refusal(503, "storage_unavailable", "store away", Retry_After="0")


def application(fake: FakeServer) -> web.Application:
    agent = {"name": "ada", "provider": "stub", "model": "stub-1", "p50_latency_s": 0.25}
    app = web.Application()
    app.router.add_post("/api/debates", fake.open_debate)
    app.router.add_get("/api/debates", fake.list_debates)
    app.router.add_get("/api/debates/{id}", fake.get_debate)
    app.router.add_get("/api/debates/{id}/events", fake.get_events)
    app.router.add_get("/api/debates/{id}/receipt", always(lambda: fake.receipt))
    app.router.add_post("/api/debates/{id}/signatures", fake.sign)
    app.router.add_post("/api/debates/{id}/outcome", fake.tell_outcome)
    app.router.add_get("/api/debates/{id}/outcome", fake.outcome)
    app.router.add_post("/api/receipts/verify", fake.verify)
    app.router.add_get("/api/health", always(lambda: {"status": "healthy", "version": "1.0.0", "uptime": 1}))
    app.router.add_get("/api/health/ready", always(lambda: {"status": "ready"}))
    agent |= {"breaker": {"agent": "ada", "state": "open"}}
    app.router.add_get(
        "/api/agents/health",
        always(
            lambda: (
                away()
                if fake.store_away
                else {"agents": [agent | {"last_error": fake.last_error, "cause": fake.cause}]}
            )
        ),
    )
    app.router.add_get("/api/leaderboard/rankings", always(lambda: {"agents": [{"name": "ada", "elo": 1532.4}]}))
    app.router.add_get("/ws", fake.socket)
    return app


def always(body: Callable[[], object]) -> Callable[[web.Request], Coroutine[Any, Any, web.Response]]:
    async def answer(_request: web.Request) -> web.Response:
        answered = body()
        return answered if isinstance(answered, web.Response) else web.json_response(answered)

    return answer


@pytest.fixture
async def server() -> AsyncIterator[FakeServer]:
    fake = FakeServer()
    async with TestServer(application(fake)) as running:
        fake.url = str(running.make_url("")).rstrip("/")
        yield fake


@pytest.fixture(autouse=True)
def _quick_and_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wide plain output, no token from outside, and retries without a wait."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("ARAGORA_API_TOKEN", raising=False)
    monkeypatch.setattr("aragora.client.random.random", lambda: 0.0)


@pytest.fixture
def type_command() -> Callable[..., Coroutine[Any, Any, int]]:
    """Run the command line beside the server; gives its exit code."""

    async def typed(*arguments: str) -> int:
        return await asyncio.to_thread(main, list(arguments))

    return typed


@pytest.fixture
def failed_events() -> Callable[[DebateStatus], tuple[Event, ...]]:
    """The events of a debate that ended otherwise than with a decision."""
    return lambda ending: debate_events(ending=ending)
