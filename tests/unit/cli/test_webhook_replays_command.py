"""`aragora webhooks replay` and `replays`, beside a server that speaks its routes."""

from __future__ import annotations

import io
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from rich.console import Console
from worlds.answering_webhooks import answering_webhooks

from aragora.cli import webhook_replays as command
from aragora.cli.rendering.webhook_replays import replay_block, replays_table
from aragora.server.chapters.webhook_replays import AskReplay, webhook_replays

WEBHOOK = "wh_01a218225813745e98a7910652148f4a"
REPLAY = "rpl_01a218225813745e98a7910652148f4c"
NOON = 1_772_366_400.0  # 2026-03-01 12:00 UTC

Typed = Callable[..., Awaitable[int]]


@dataclass
class ReplayServer:
    """What the server was asked: method, path with its query, body. `seen` are the states that it tells in turn."""

    url: str = ""
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    counted: dict[str, Any] = field(default_factory=dict)
    seen: list[dict[str, Any]] = field(default_factory=lambda: [{}])

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.json() if request.can_read_body else None
        self.asked.append((request.method, request.path_qs, body))
        self.keys.append(request.headers.get("Idempotency-Key"))
        # As the real server takes it.
        assert any(
            request.method in (one.methods or ()) and one.path_regex.match(request.path)
            for one in webhook_replays.routes
        )
        if request.method == "POST":
            AskReplay.model_validate(body)
            return web.json_response(replay(made=0, **self.counted), status=200 if body.get("dry_run") else 202)
        if request.path.endswith("/replays"):
            return web.json_response({"replays": [replay()], "next_cursor": "c2"})
        changes = self.seen.pop(0) if len(self.seen) > 1 else self.seen[0]
        return web.json_response(replay(**changes))


def replay(**changes: Any) -> dict[str, Any]:
    return {
        "replay_id": REPLAY, "webhook_id": WEBHOOK, "status": "running", "reason": "", "select": "failed",
        "since": NOON - 86_400.0, "until": NOON, "event_types": [], "rate_per_s": 50.0, "matching": 1_234, "more": False,
        "made": 30, "revived": 200, "skipped": 4, "created_at": NOON, "created_by": "ann", "ended_at": None,
    } | changes  # fmt: skip


@pytest.fixture
async def server() -> AsyncIterator[ReplayServer]:
    fake = ReplayServer()
    async with answering_webhooks(fake.answer) as fake.url:
        yield fake


@pytest.fixture
def typed(server: ReplayServer, type_command: Typed, monkeypatch: pytest.MonkeyPatch) -> Typed:
    monkeypatch.setattr(command, "FOLLOW_S", 0.0)

    async def run(*arguments: str) -> int:
        return await type_command("webhooks", *arguments, "--url", server.url)

    return run


async def test_a_replay_is_asked_for_and_its_id_told(
    typed: Typed, server: ReplayServer, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--until", "2026-03-01T12:00Z", "--select", "all", "--event", "receipt", "--event-type", "consensus")
    assert await typed("replay", WEBHOOK, "--since", "24h", *options, "--rate", "5") == 0
    assert capsys.readouterr().out == f"1234 events will be delivered. See 'aragora webhooks replays {REPLAY}'.\n"
    ((method, path, body),) = server.asked
    assert (method, path) == ("POST", f"/api/webhooks/{WEBHOOK}/replay")
    assert body.pop("since") == pytest.approx(time.time() - 86_400.0, abs=300.0)
    assert body == {"select": "all", "until": NOON, "event_types": ["receipt", "consensus"], "rate_per_s": 5.0}
    assert server.keys[0] is not None, "a broken connection begins no second one"


async def test_a_dry_run_tells_a_count(typed: Typed, server: ReplayServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert await typed("replay", WEBHOOK, "--since", "7d", "--dry-run") == 0
    assert capsys.readouterr().out == "1234 events would be delivered.\n"
    assert (server.asked[0][2]["dry_run"], server.asked[0][2]["select"], server.keys) == (True, "failed", [None])
    server.counted = {"more": True, "uncertain_before": NOON}
    assert await typed("replay", WEBHOOK, "--since", "7d", "--dry-run") == 0
    assert capsys.readouterr().out == (
        "At least 1234 events would be delivered. Those from before 2026-03-01 12:00 UTC may have arrived already, and "
        "would come again under their ids.\n"
    )
    assert await typed("replay", WEBHOOK, "--since", "7d", "--dry-run", "--json") == 0
    assert json.loads(capsys.readouterr().out)["matching"] == 1_234


@pytest.mark.parametrize(("status", "code"), [("done", 0), ("stopped", 1), ("failed", 1)])
async def test_following_tells_how_far_it_is_and_its_exit_code_how_it_ended(
    *, status: str, code: int, typed: Typed, server: ReplayServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.seen = [{"made": 1}, {"made": 1}, {"made": 2}, {"status": status, "ended_at": NOON}]
    assert await typed("replay", WEBHOOK, "--since", "24h", "--follow") == code
    told = capsys.readouterr().out.splitlines()
    assert told[:2] == [f"{REPLAY}: 201 of 1,234", f"{REPLAY}: 202 of 1,234"]
    assert told[2] == f"{REPLAY}  {status}"
    assert "  ended     2026-03-01 12:00 UTC" in told


async def test_replays_of_a_webhook_are_listed_and_one_is_shown_or_stopped(
    typed: Typed, server: ReplayServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await typed("replays", WEBHOOK, "--limit", "5") == 0
    told = capsys.readouterr().out
    for text in (REPLAY, "running", "failed", "230 of 1,234", "2026-03-01 12:00", "--cursor c2"):
        assert text in told
    assert await typed("replays", REPLAY) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{REPLAY}  running",
        f"  webhook   {WEBHOOK}",
        "  events    failed, 2026-02-28 12:00 to 2026-03-01 12:00 UTC",
        "  types     all",
        "  brought   230 of 1,234; 4 passed over",
        "  rate      50 a second at most",
        "  begun     2026-03-01 12:00 UTC",
    ]
    server.seen = [{"status": "stopped", "reason": "a person stopped it", "ended_at": NOON}]
    assert await typed("replays", REPLAY, "--stop") == 0
    assert capsys.readouterr().out.splitlines()[0] == f"{REPLAY}  stopped: a person stopped it"
    assert [(method, path) for method, path, _ in server.asked] == [
        ("GET", f"/api/webhooks/{WEBHOOK}/replays?limit=5"),
        ("GET", f"/api/webhooks/replays/{REPLAY}"),
        ("DELETE", f"/api/webhooks/replays/{REPLAY}"),
        ("GET", f"/api/webhooks/replays/{REPLAY}"),
    ]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("replay", WEBHOOK, "--since", "yesterday"), "--since 'yesterday' is no time"),
        (("replay", WEBHOOK, "--since", "24h", "--until", "5"), "--until '5' is no time"),
        (("replay", REPLAY, "--since", "24h"), "is no webhook's id"),
        (("replay", "../x", "--since", "24h"), "is no webhook's id"),
        (("replay", WEBHOOK, "--since", "24h", "--rate", "nan"), "Invalid value for '--rate'"),
        (("replays", "a/b"), "is no id"),
        (("replays", WEBHOOK, "--stop"), "give its id, which begins with rpl_"),
    ],
)
async def test_what_is_not_clear_is_refused_before_the_server_is_asked(
    *, arguments: tuple[str, ...], told: str, typed: Typed, server: ReplayServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await typed(*arguments) == 2
    assert told in capsys.readouterr().err
    assert server.asked == []


@pytest.mark.parametrize("on_terminal", [False, True])
def test_in_80_columns_ids_stand_whole_and_on_one_line(on_terminal: bool) -> None:
    row = replay(matching=10_000, more=True, revived=9_999, created_at=NOON)
    for shown, ids in ((replays_table([row]), [REPLAY]), (replay_block(row), [REPLAY, WEBHOOK])):
        console = Console(file=io.StringIO(), width=80, force_terminal=on_terminal, highlight=False, color_system=None)
        console.soft_wrap = not on_terminal
        console.print(shown)
        assert isinstance(console.file, io.StringIO)
        told = console.file.getvalue()
        for each in ids:
            assert each in told
        if on_terminal:
            assert max(map(len, told.splitlines())) <= 80
