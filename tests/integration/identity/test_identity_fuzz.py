"""The identity routes against everything their own description allows, and much that it does not: never a 5xx."""

from __future__ import annotations

import re
import secrets
from collections import Counter
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from pydantic import SecretStr
from schemathesis import GenerationMode
from starlette.testclient import TestClient
from worlds.memory_server import Boards, World, served
from worlds.migrated import migrated

from aragora.config.settings import Settings

pytestmark = pytest.mark.slow

PATHS = "^/api/(auth|users|invitations|admin/users|admin/audit|system/errors|system/rate-limits|integrations)"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    """A development server: the fuzzer is the local operator and gets past every policy."""
    options: dict[str, Any] = {"encryption_key": SecretStr(secrets.token_hex(32))}
    configured = Settings(data_dir=tmp_path_factory.mktemp("fuzz"), **options)
    migrated(configured)
    return served(configured, World(), Boards()).app


def test_no_input_makes_the_server_fail(app: FastAPI) -> None:
    api = schemathesis.openapi.from_dict(_described(app))
    statuses: Counter[int] = Counter()
    with TestClient(app, "http://localhost:8080", client=("127.0.0.1", 5555), follow_redirects=False) as client:
        for operation in (found.ok() for found in api.get_all_operations()):
            if re.match(PATHS, operation.path):
                _fuzz_both(client, operation, statuses)
    assert {200, 201, 204, 401, 404, 422} <= statuses.keys()  # it did get through to every kind of answer


def _fuzz_both(client: TestClient, operation: Any, statuses: Counter[int]) -> None:
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
        try:
            _fuzz(client, operation.as_strategy(generation_mode=mode), statuses)
        except Unsatisfiable:
            assert mode is GenerationMode.NEGATIVE  # an operation without parameters has no negative inputs


def _fuzz(client: TestClient, cases: Any, statuses: Counter[int]) -> None:
    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(case=cases)
    def run(case: Any) -> None:
        answer = client.request(**case.as_transport_kwargs(base_url="http://localhost:8080"))
        statuses[answer.status_code] += 1
        told = f"{case.method} {case.formatted_path} {case.body!r}: {answer.text}"
        assert answer.status_code < 500, told
        if answer.status_code >= 400:
            assert set(answer.json()) == {"error", "request_id"}, told

    run()


def _described(app: FastAPI) -> dict[str, Any]:
    described: dict[str, Any] = get_openapi(title="Aragora", version="1", routes=app.routes)
    return described
