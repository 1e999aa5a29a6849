"""The routes of webhooks against everything their own description allows, and much that it does not, half of it at ids
that exist: never a 5xx."""

from __future__ import annotations

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
from starlette.testclient import TestClient
from worlds.memory_server import RECEIVER, Boards, World, served
from worlds.migrated import migrated

from aragora.config.settings import Settings

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """Of a development server: the fuzzer is the local operator and gets past every policy."""
    configured = Settings(data_dir=tmp_path_factory.mktemp("fuzz"), encryption_key=SecretStr(secrets.token_hex(32)))
    migrated(configured)
    app = served(configured, World(), Boards()).app
    with TestClient(app, "http://localhost:8080", client=("127.0.0.1", 5555), follow_redirects=False) as client:
        yield client


def test_no_input_makes_the_routes_of_webhooks_fail(client: TestClient) -> None:
    described = get_openapi(title="Aragora", version="1", routes=client.app.routes)  # type: ignore[attr-defined]
    made = client.post("/api/webhooks", json={"url": RECEIVER, "events": ["debate_end"]}).json()
    statuses: Counter[int] = Counter()
    operations = [found.ok() for found in schemathesis.openapi.from_dict(described).get_all_operations()]
    webhooks = [one for one in operations if one.path.startswith("/api/webhooks")]
    # The deletion comes last: the others need what it deletes.
    for operation in sorted(webhooks, key=lambda one: (one.method == "delete", one.path)):
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            try:
                _fuzz(client, operation.as_strategy(generation_mode=mode), made["webhook_id"], statuses)
            except Unsatisfiable:
                assert mode is GenerationMode.NEGATIVE  # an operation without parameters has no negative inputs
    assert len(webhooks) == 28
    assert {200, 202, 204, 404, 422} <= statuses.keys()  # it did get through to every kind of answer


def _fuzz(client: TestClient, cases: Any, webhook_id: str, statuses: Counter[int]) -> None:
    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(case=cases, known=st.booleans())
    def run(case: Any, known: bool) -> None:
        if known and "webhook_id" in (case.path_parameters or {}):
            case.path_parameters["webhook_id"] = webhook_id
        answer = client.request(**case.as_transport_kwargs(base_url="http://localhost:8080"))
        statuses[answer.status_code] += 1
        told = f"{case.method} {case.formatted_path} {case.body!r}: {answer.text}"
        assert answer.status_code < 500, told
        if answer.status_code >= 400:
            assert set(answer.json()) == {"error", "request_id"}, told

    run()
