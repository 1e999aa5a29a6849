"""The routes of knowledge and of tasks against everything their own description allows, and much that it does not, half
of it at an item or a task that exists: never a 5xx but for the index that is away."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from fastapi.openapi.utils import get_openapi
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from pydantic import SecretStr
from schemathesis import GenerationMode
from schemathesis.core.errors import SerializationNotPossible
from starlette.testclient import TestClient
from worlds.memory_server import Boards, World, served

from aragora.config.settings import Settings
from aragora.migrations.applying import apply_pending

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """Of a development server: the fuzzer is the local operator and gets past every policy."""
    configured = Settings(data_dir=tmp_path_factory.mktemp("fuzz"), encryption_key=SecretStr(secrets.token_hex(32)))
    asyncio.run(apply_pending(configured))
    app = served(configured, World(), Boards()).app
    with TestClient(app, "http://localhost:8080", client=("127.0.0.1", 5555), follow_redirects=False) as client:
        yield client


def test_no_input_makes_the_routes_of_knowledge_tasks_decisions_or_workflows_fail(client: TestClient) -> None:
    described = get_openapi(title="Aragora", version="1", routes=client.app.routes)  # type: ignore[attr-defined]
    made = {
        "item_id": client.post("/api/knowledge/items", json={"content": "It holds."}).json()["item_id"],
        "task_id": client.post("/api/control-plane/tasks", json={"type": "review"}).json()["task_id"],
        "workflow_id": client.post("/api/workflows", json={"template": "quick_decision"}).json()["workflow_id"],
    }
    signed = {"type": "approval", "id": "sign", "approvers": ["role:owner"], "deadline_s": None}
    of_people = client.post("/api/workflows", json={"definition": {"name": "Signed", "steps": [signed]}}).json()
    execution = client.post(f"/api/workflows/{of_people['workflow_id']}/execute", json={}).json()
    made["execution_id"] = execution["execution_id"]
    made["approval_id"] = client.get("/api/workflow-approvals").json()["approvals"][0]["approval_id"]
    statuses: Counter[int] = Counter()
    operations = [found.ok() for found in schemathesis.openapi.from_dict(described).get_all_operations()]
    tried = [
        one
        for one in operations
        if one.path.startswith(("/api/knowledge", "/api/control-plane", "/api/decisions", "/api/workflow"))
        and one.path != "/api/knowledge/calibration"
    ]
    for operation in tried:
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            try:
                _fuzz(client, operation.as_strategy(generation_mode=mode), made, statuses)
            except (Unsatisfiable, SerializationNotPossible):
                continue  # nothing can be wrong there, or it is no JSON: test_file_routes has lines of all kinds
    assert len(tried) == 31 + 14 + 1 + 10 + 14
    assert {200, 404, 422} <= statuses.keys()  # it did get through


def _fuzz(client: TestClient, cases: Any, made: dict[str, str], statuses: Counter[int]) -> None:
    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(case=cases, known=st.booleans())
    def run(case: Any, known: bool) -> None:
        if known:
            parameters = case.path_parameters or {}
            parameters.update({name: found for name, found in made.items() if name in parameters})
        answer = client.request(**case.as_transport_kwargs(base_url="http://localhost:8080"))
        statuses[answer.status_code] += 1
        told = f"{case.method} {case.formatted_path} {case.body!r}: {answer.status_code} {answer.text}"
        away = answer.status_code == 503 and "index of meanings" in answer.text
        assert answer.status_code < 500 or away, told
        if answer.status_code >= 400:
            beside = {"faults"} if answer.json()["error"]["code"].startswith("invalid_definition") else set()
            assert set(answer.json()) == {"error", "request_id"} | beside, told

    run()
