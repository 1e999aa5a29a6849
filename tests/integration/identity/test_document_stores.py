"""Connectors, integrations, mail tokens and approvals: encrypted where they rest, on every backend."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from aragora.config.settings import Settings
from aragora.errors import AragoraError, Conflict, InvalidInput, Misconfigured, NotFound, Unavailable
from aragora.integrations.gmail_tokens import GmailTokens, GmailTokenStore
from aragora.integrations.store import IntegrationStore
from aragora.integrations.store_metrics import (
    InstrumentedIntegrationStore,
    get_integration_health,
    get_integration_metrics,
)
from aragora.integrations.sync_store import Connector, SyncStore
from aragora.integrations.tables import gmail_tokens, integrations, sync_connectors
from aragora.migrations.applying import apply_pending
from aragora.secrets.encryption import DecryptionFailed, EncryptionService
from aragora.secrets.keyring import Keyring
from aragora.storage.database import Database
from aragora.storage.supabase import SupabaseDocuments
from aragora.storage.vault import record_id
from aragora.workflows.approvals import ApprovalRequest, ApprovalRequestStore, ApprovalStatus, Resolution
from aragora.workflows.approvals_redis import RedisApprovals
from aragora.workflows.approvals_sql import SqlApprovals, open_approvals

pytestmark = pytest.mark.slow

NOW = 1_700_000_000.0
SLACK = {"type": "slack", "user_id": "u-123", "token": "xoxb-plain-secret", "channel": "#ops"}


@pytest.fixture
def crypto() -> EncryptionService:
    return EncryptionService(Keyring.parse(secrets.token_hex(32)))


async def test_an_integration_rests_encrypted_and_comes_back_readable(documents: Any, crypto: Any, clock: Any) -> None:
    rows = documents(integrations)
    store = IntegrationStore(rows, crypto, clock)
    await store.save(SLACK)
    await store.save({**SLACK, "channel": "#dev"})
    assert await store.get("slack", "u-123") == {**SLACK, "channel": "#dev", "org_id": "local"}
    kept = await rows.get(record_id("local", "slack", "u-123"))
    assert kept is not None
    assert kept.version == 2
    assert "xoxb" not in kept.payload
    assert '"_encrypted":true' in kept.payload
    assert "xoxb" not in repr(kept)
    assert await store.count() == 1
    assert await store.delete("slack", "u-123")
    assert not await store.delete("slack", "u-123")
    assert await store.get("slack", "u-123") is None


async def test_no_organisation_sees_anothers(documents: Any, crypto: Any, clock: Any) -> None:
    store = IntegrationStore(documents(integrations), crypto, clock)
    await store.save({**SLACK, "org_id": "a"})
    assert await store.get("slack", "u-123", "b") is None
    assert await store.list(org_id="b") == []
    assert not await store.delete("slack", "u-123", "b")
    assert len(await store.list(org_id="a")) == 1
    connectors = SyncStore(documents(sync_connectors), crypto, clock)
    await connectors.save(Connector("c1", "a", "postgres", {"password": "p", "host": "db"}))
    with pytest.raises(NotFound):
        await connectors.get("b", "c1")
    assert (await connectors.get("a", "c1")).config == {"password": "p", "host": "db"}


async def test_a_ciphertext_moved_to_another_record_does_not_open(documents: Any, crypto: Any, clock: Any) -> None:
    rows = documents(integrations)
    store = IntegrationStore(rows, crypto, clock)
    await store.save(SLACK)
    await store.save({**SLACK, "user_id": "thief", "token": "own"})
    stolen = await rows.get(record_id("local", "slack", "u-123"))
    assert await rows.swap(record_id("local", "slack", "thief"), 1, stolen.payload, NOW)
    with pytest.raises(DecryptionFailed):
        await store.get("slack", "thief")


async def test_many_changes_at_once_lose_none(documents: Any, crypto: Any, clock: Any) -> None:
    store = IntegrationStore(documents(integrations), crypto, clock)
    await store.save(SLACK)

    async def refresh(config: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"token": f"new {config['channel']}", "refresh_token": "r"}

    await asyncio.gather(*(store.refresh_token("slack", "u-123", refresh) for _ in range(4)))
    assert await store.get("slack", "u-123") == {
        **SLACK,
        "org_id": "local",
        "token": "new #ops",
        "refresh_token": "r",
    }
    with pytest.raises(NotFound):
        await store.refresh_token("jira", "u-123", refresh)


async def test_mail_tokens_rest_encrypted(documents: Any, crypto: Any, clock: Any) -> None:
    rows = documents(gmail_tokens)
    store = GmailTokenStore(rows, crypto, clock)
    tokens = GmailTokens("u-1", "org", "a@example.com", "access-plain", "refresh-plain", NOW, ("mail.read",))
    await store.save(tokens)
    assert await store.get("org", "u-1") == tokens
    assert "plain" not in (await rows.get(record_id("org", "u-1"))).payload
    assert "plain" not in repr(tokens)
    assert await store.renew("org", "u-1", "access-new", NOW + 1)
    renewed = await store.get("org", "u-1")
    assert renewed is not None
    assert (renewed.access_token, renewed.refresh_token) == ("access-new", "refresh-plain")
    assert not await store.renew("org", "u-2", "x", NOW)


async def test_a_walk_sees_every_row_once(documents: Any, crypto: Any, clock: Any) -> None:
    rows = documents(sync_connectors)
    store = SyncStore(rows, crypto, clock)
    for number in range(7):
        await store.save(Connector(f"c{number}", "org", "api", {"api_key": "k"}))
    seen, after = [], ""
    while page := await rows.page(after, 3):
        seen += [row.record_id for row in page]
        after = seen[-1]
    assert seen == [f"org/c{number}" for number in range(7)]


@pytest.mark.parametrize(
    "config", [{}, {"type": "slack"}, {"type": "slack", "user_id": ""}, {"type": "a\x00", "user_id": "u"}]
)
async def test_an_integration_without_its_names_is_refused(
    config: dict[str, Any], core_database: Database, crypto: Any, clock: Any
) -> None:
    from aragora.storage.document_sql import SqlDocuments

    with pytest.raises(InvalidInput):
        await IntegrationStore(SqlDocuments(core_database, integrations), crypto, clock).save(config)


def test_record_ids_are_never_ambiguous() -> None:
    assert record_id("a/b", "c") != record_id("a", "b/c")
    assert record_id("a%2Fb", "c") != record_id("a/b", "c")


async def test_supabase_retries_reads_but_never_writes_and_hides_its_key(postgrest: tuple[Any, str]) -> None:
    stand_in, url = postgrest
    async with ClientSession() as session:
        rows = SupabaseDocuments(session, url, "service-key-of-the-stand-in", "integrations")
        stand_in.failing = [503, 503]
        assert await rows.get("x") is None
        stand_in.failing, stand_in.requests = [503], 0
        with pytest.raises(Unavailable):
            await rows.swap("x", 1, "{}", NOW)
        assert stand_in.requests == 1
        wrong = SupabaseDocuments(session, url, "wrong-key", "integrations")
        with pytest.raises(Unavailable, match="SUPABASE_KEY") as caught:
            await wrong.get("x")
        assert "wrong-key" not in str(caught.value) + repr(wrong)
        gone = SupabaseDocuments(session, "http://127.0.0.1:9", "k", "integrations")
        with pytest.raises(Unavailable):
            await gone.swap("x", 1, "{}", NOW)


@pytest.fixture(params=["sql", "redis"])
def approvals(request: pytest.FixtureRequest, core_database: Database, redis_client: Any) -> ApprovalRequestStore:
    return SqlApprovals(core_database) if request.param == "sql" else RedisApprovals(redis_client)


def ask(number: int = 1, **changes: Any) -> ApprovalRequest:
    values: dict[str, Any] = {"request_id": f"apr_{number}", "org_id": "org", "kind": "step", "subject": "deploy"}
    return ApprovalRequest(**{**values, "requested_by": "usr_1", "created_at": NOW + number, **changes})


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


class FlakyStore(IntegrationStore):
    """A store that is away when told so."""

    away = False

    async def get(self, kind: str, user_id: str, org_id: str = "local") -> dict[str, Any] | None:
        if self.away:
            raise Unavailable("away")
        return await super().get(kind, user_id, org_id)


async def test_figures_health_and_cache_are_as_the_runbook_shows(
    core_database: Database, crypto: Any, clock: Any
) -> None:
    from aragora.storage.document_sql import SqlDocuments

    base = FlakyStore(SqlDocuments(core_database, integrations), crypto, clock)
    instrumented = InstrumentedIntegrationStore(base, backend_type="postgresql")
    await instrumented.save({"type": "slack", "user_id": "u-123", "token": "t"})
    assert (await instrumented.get("slack", "u-123") or {})["token"] == "t"
    assert (await instrumented.get("slack", "u-123") or {})["token"] == "t"
    metrics = await get_integration_metrics()
    assert (metrics["backend_type"], metrics["is_healthy"], metrics["cache_hit_rate"]) == ("postgresql", True, 50.0)
    assert metrics["operations"]["get"]["total_calls"] == 2
    assert set(metrics["operations"]) == {"get", "save", "delete", "list", "refresh_token"}
    base.away = True
    for _ in range(3):
        with pytest.raises(Unavailable):
            await instrumented.get("slack", "another")
    health = await instrumented.health_check()
    assert health == {
        "healthy": False,
        "backend_type": "postgresql",
        "consecutive_failures": 3,
        "active_integrations": 1,
    }
    await instrumented.save({"type": "slack", "user_id": "u-9", "token": "t"})
    summary = await get_integration_health()
    assert (summary["healthy"], summary["consecutive_failures"]) == (True, 0)
    assert set(summary["operations_summary"]) == {"get_success_rate", "save_success_rate", "cache_hit_rate"}
    assert summary["operations_summary"]["get_success_rate"] == 40.0


async def test_the_cache_never_serves_what_was_changed(core_database: Database, crypto: Any, clock: Any) -> None:
    from aragora.storage.document_sql import SqlDocuments

    base = IntegrationStore(SqlDocuments(core_database, integrations), crypto, clock)
    instrumented = InstrumentedIntegrationStore(base, backend_type="sqlite")
    await instrumented.save(SLACK)
    shown = await instrumented.get("slack", "u-123")
    assert shown is not None
    shown["token"] = "changed by the caller"
    again = await instrumented.get("slack", "u-123")
    assert again is not None
    assert again["token"] == SLACK["token"]
    await instrumented.save({**SLACK, "token": "new"})
    assert (await instrumented.get("slack", "u-123") or {})["token"] == "new"
    assert await instrumented.delete("slack", "u-123")
    assert await instrumented.get("slack", "u-123") is None
    with pytest.raises(AragoraError):
        await instrumented.save({})
    assert (await instrumented.health_check())["healthy"]


@pytest.mark.parametrize("backend", ["sqlite", "postgres", "redis"])
async def test_the_setting_chooses_where_approvals_are_kept(
    backend: str, tmp_path: Path, postgres_url: str, redis_server: str
) -> None:
    addresses: dict[str, dict[str, Any]] = {
        "sqlite": {},
        "postgres": {"database_url": postgres_url},
        "redis": {"redis_url": redis_server},
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
