"""What is wrong with a request about executions is said with a code, and nothing comes of it."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest
from worlds.memory_server import Boards, World, served_for_test
from worlds.migrated import migrated

from aragora.config.settings import Settings

DEFINITION = {
    "name": "Waits",
    "inputs": {"n": {"type": "number"}, "text": {"type": "string", "required": False, "default": ""}},
    "steps": [{"id": "wait", "type": "wait", "event": "go"}],
}
STARTS: list[tuple[bytes, int]] = [
    (b"", 422),
    (b"[]", 422),
    (b"{", 422),
    (b'{"inputs": []}', 422),
    (b'{"inputs": {}}', 422),
    (b'{"inputs": {"n": "1"}}', 422),
    (b'{"inputs": {"n": true}}', 422),
    (b'{"inputs": {"n": NaN}}', 422),
    (b'{"inputs": {"n": 1e999}}', 422),
    (b'{"inputs": {"n": ' + b"9" * 5_000 + b"}}", 400),
    (b'{"inputs": {"n": 1, "other": 2}}', 422),
    (b'{"inputs": {"n": 1}, "budget_usd": -1}', 422),
    (b'{"inputs": {"n": 1}, "budget_usd": 1e300}', 422),
    (b'{"inputs": {"n": 1}, "more": 1}', 422),
    (b'{"inputs": {"n": 1, "text": "a\\u0000b"}}', 422),
    (b'{"inputs": {"n": 1, "text": "\\ud800"}}', 422),
    (b'{"inputs": {"n": 1, "\\ud800": 1}}', 422),
    (b'{"inputs": {"n": 1, "text": "' + b"x" * 300_000 + b'"}}', 422),
    (b'{"inputs": {"n": 1, "text": "' + b"x" * 10_000_000 + b'"}}', 413),
    (b'{"inputs": {"n": ' + b"[" * 500 + b"]" * 500 + b"}}", 422),
    (b'{"inputs": {"n": ' + b"[" * 50_000 + b"]" * 50_000 + b"}}", 400),
]
SIGNALS: list[tuple[bytes, int]] = [
    (b"{}", 422),
    (b'{"name": ""}', 422),
    (b'{"name": "on"}', 404),
    (b'{"name": "go", "payload": []}', 422),
    (b'{"name": "go", "payload": {"a": "\\u0000"}}', 422),
    (b'{"name": "go", "payload": {"a": "\\ud800"}}', 422),
    (b'{"name": "go", "payload": {"a": NaN}}', 422),
    (b'{"name": "go", "payload": {"a": "' + b"x" * 300_000 + b'"}}', 413),
    (b'{"name": "go", "payload": {"a": "' + b"x" * 10_000_000 + b'"}}', 413),
]


@pytest.mark.slow
async def test_what_is_wrong_starts_nothing_and_changes_nothing(world: World, boards: Boards, tmp_path: Path) -> None:
    migrated(Settings(data_dir=tmp_path))
    app = served_for_test(tmp_path, world, boards).app
    transport = httpx2.ASGITransport(app=app, client=("127.0.0.1", 5555), raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as http,
    ):
        made = (await http.post("/api/workflows", json={"definition": DEFINITION})).json()
        execute = f"/api/workflows/{made['workflow_id']}/execute"
        for body, status in STARTS:
            await refused(http, execute, body, status)
        for key in ("", "x" * 300, "a\tb"):
            await refused(http, execute, b'{"inputs": {"n": 1}}', 422, **{"Idempotency-Key": key})
        await refused(http, "/api/workflows/wf_00000000000000000000000000000000/execute", b'{"inputs": {"n": 1}}', 404)
        assert (await http.get("/api/workflow-executions")).json()["executions"] == []

        begun = (await http.post(execute, json={"inputs": {"n": 1}})).json()
        path = f"/api/workflow-executions/{begun['execution_id']}"
        for body, status in SIGNALS:
            await refused(http, f"{path}/signals", body, status)
        for act, body, status in (
            ("retry", b'{"step": "wait"}', 409),
            ("retry", b"{}", 422),
            ("cancel", b'{"reason": "' + b"x" * 100_000 + b'"}', 422),
            ("cancel", b'{"reason": "\\ud800"}', 422),
        ):
            await refused(http, f"{path}/{act}", body, status)
        events = (await http.get(f"{path}/events")).json()["events"]
        assert [one["type"] for one in events] == ["execution_started", "step_started"]


async def refused(http: httpx2.AsyncClient, path: str, body: bytes, status: int, **headers: str) -> None:
    answer = await http.post(path, content=body, headers={"Content-Type": "application/json", **headers})
    assert (answer.status_code, body[:60]) == (status, body[:60]), answer.text[:300]
    error = answer.json()["error"]
    assert error["code"]
    assert error["message"]
