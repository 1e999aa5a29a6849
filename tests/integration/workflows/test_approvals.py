"""One suite for the port of approval requests, over memory, SQLite, PostgreSQL and Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from worlds.backends import databases_of, emptied_redis, fresh_database, postgres_settings
from worlds.memory_stores import MemoryApprovals

from aragora.config.settings import Settings
from aragora.errors import Conflict, Misconfigured, NotFound
from aragora.migrations.applying import apply_pending
from aragora.storage.contexts import Context
from aragora.workflows.approval_stores import RedisApprovals, SqlApprovals, open_approvals
from aragora.workflows.approvals import ApprovalRequest, ApprovalRequestStore, ApprovalStatus, Resolution

NOW = 1_700_000_000.0
BACKENDS = [
    "memory",
    "sqlite",
    pytest.param("postgresql", marks=pytest.mark.slow),
    pytest.param("redis", marks=pytest.mark.slow),
]


@pytest.fixture(params=BACKENDS)
async def approvals(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ApprovalRequestStore]:
    if request.param == "memory":
        yield MemoryApprovals()
        return
    if request.param == "redis":
        async with emptied_redis(request.getfixturevalue("redis_server")) as client:
            yield RedisApprovals(client)
        return
    settings = Settings(data_dir=tmp_path)
    if request.param == "postgresql":
        settings = await postgres_settings(request.getfixturevalue("postgres_url"), tmp_path)
    async with databases_of(settings, Context.CORE) as databases:
        yield SqlApprovals(databases[Context.CORE])


def ask(number: int = 1, **changes: Any) -> ApprovalRequest:
    values: dict[str, Any] = {"request_id": f"apr_{number}", "org_id": "org", "kind": "step", "subject": "deploy"}
    return ApprovalRequest(**{**values, "requested_by": "usr_1", "created_at": NOW + number, **changes})


async def test_a_request_comes_back_as_it_was_made_and_its_id_is_taken(approvals: ApprovalRequestStore) -> None:
    request = ask(payload={"step": 3, "why": ["a", {"b": None}]}, expires_at=NOW + 9)
    await approvals.create(request)
    assert await approvals.get("org", "apr_1", NOW) == request
    with pytest.raises(Conflict):
        await approvals.create(ask(subject="another"))
    with pytest.raises(Conflict):
        await approvals.create(ask(org_id="another"))
    assert await approvals.get("org", "apr_1", NOW) == request


async def test_of_many_answers_at_once_one_decides(approvals: ApprovalRequestStore) -> None:
    await approvals.create(ask(payload={"step": 3}))
    with pytest.raises(Conflict):
        await approvals.create(ask())
    answers = await asyncio.gather(
        *(approvals.resolve("org", "apr_1", Resolution(number % 2 == 0, f"usr_{number}", NOW)) for number in range(6)),
        return_exceptions=True,
    )
    decided = [answer for answer in answers if isinstance(answer, ApprovalRequest)]
    assert len(decided) == 1
    assert all(isinstance(answer, Conflict) for answer in answers if answer is not decided[0])
    assert await approvals.get("org", "apr_1", NOW) == decided[0]
    assert decided[0].payload == {"step": 3}


async def test_requests_are_listed_newest_first_and_by_what_became_of_them(approvals: ApprovalRequestStore) -> None:
    for number in range(1, 5):
        await approvals.create(ask(number, expires_at=NOW + 50 if number == 2 else None))
    await approvals.create(ask(9, org_id="another"))
    await approvals.resolve("org", "apr_3", Resolution(False, "usr_2", NOW + 10, "too risky"))
    assert [each.request_id for each in await approvals.page("org", NOW + 10)] == ["apr_4", "apr_3", "apr_2", "apr_1"]
    by_status = {
        status: [each.request_id for each in await approvals.page("org", NOW + 60, status=status)]
        for status in ApprovalStatus
    }
    assert by_status == {"pending": ["apr_4", "apr_1"], "expired": ["apr_2"], "rejected": ["apr_3"], "approved": []}
    assert len(await approvals.page("org", NOW, limit=2)) == 2


async def test_what_is_late_or_another_organisations_cannot_be_answered(approvals: ApprovalRequestStore) -> None:
    await approvals.create(ask(expires_at=NOW + 5))
    with pytest.raises(NotFound):
        await approvals.resolve("another", "apr_1", Resolution(True, "usr_2", NOW))
    with pytest.raises(NotFound):
        await approvals.get("another", "apr_1", NOW)
    with pytest.raises(Conflict, match="expired"):
        await approvals.resolve("org", "apr_1", Resolution(True, "usr_2", NOW + 5))


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["sqlite", "postgres", "redis"])
async def test_the_setting_chooses_where_approvals_are_kept(
    backend: str, tmp_path: Path, postgres_url: str, redis_server: str
) -> None:
    addresses: dict[str, dict[str, Any]] = {
        "sqlite": {},
        "postgres": {"database_url": SecretStr(await fresh_database(postgres_url))},
        "redis": {"redis_url": SecretStr(redis_server)},
    }
    settings = Settings(data_dir=tmp_path, approval_store_backend=backend, **addresses[backend])
    await apply_pending(settings)
    async with open_approvals(settings) as store:
        await store.create(ask(77))
        assert await store.get("org", "apr_77", NOW) == ask(77)
    if addresses[backend]:
        with pytest.raises(Misconfigured, match="ARAGORA_APPROVAL_STORE_BACKEND"):
            async with open_approvals(Settings(data_dir=tmp_path, approval_store_backend=backend)):
                pytest.fail("opened without an address")
