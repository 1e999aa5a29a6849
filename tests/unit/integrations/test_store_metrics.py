"""The figures of an integration store, through the names and in the words of the runbook."""

from __future__ import annotations

from typing import Any

import pytest
from worlds.backends import SetClock
from worlds.memory_stores import MemoryDocuments

from aragora.errors import AragoraError, NotFound, Unavailable
from aragora.integrations import store_metrics
from aragora.integrations.stores import IntegrationStore
from aragora.observability.registry import Registry
from aragora.secrets.encryption import EncryptionService
from aragora.secrets.keyring import Keyring
from aragora.storage.integration_store_metrics import (
    InstrumentedIntegrationStore,
    get_integration_health,
    get_integration_metrics,
)

SLACK = {"type": "slack", "user_id": "u-123", "token": "xoxb-plain-secret", "channel": "#ops"}


class FlakyStore(IntegrationStore):
    """A store that is away when told so."""

    away = False

    async def get(self, kind: str, user_id: str, org_id: str = "local") -> dict[str, Any] | None:
        if self.away:
            raise Unavailable("away")
        return await super().get(kind, user_id, org_id)


@pytest.fixture
def base() -> FlakyStore:
    return FlakyStore(MemoryDocuments(), EncryptionService(Keyring.ephemeral()), SetClock())


@pytest.fixture(autouse=True)
def nothing_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_metrics._process, "store", None)


async def test_figures_health_and_cache_are_as_the_runbook_shows(base: FlakyStore) -> None:
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


async def test_the_cache_never_serves_what_was_changed(base: FlakyStore) -> None:
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


async def test_only_a_registered_store_is_told_of(base: FlakyStore) -> None:
    first = store_metrics.InstrumentedIntegrationStore(base, "sqlite")
    with pytest.raises(NotFound, match="InstrumentedIntegrationStore"):
        await get_integration_metrics()
    store_metrics.register(first)
    assert (await get_integration_metrics())["backend_type"] == "sqlite"
    InstrumentedIntegrationStore(base, "supabase")
    assert (await get_integration_metrics())["backend_type"] == "supabase"


async def test_the_runbooks_class_takes_how_long_it_caches_and_where_it_counts(base: FlakyStore) -> None:
    counted: list[str] = []

    class Counting(Registry):
        def inc(self, name: str, amount: float = 1.0, /, **labels: str) -> None:
            counted.append(labels["operation"])

    instrumented = InstrumentedIntegrationStore(base, "sqlite", cache_ttl_s=0.0, registry=Counting())
    await instrumented.save(SLACK)
    for _ in range(2):
        await instrumented.get("slack", "u-123")
    assert counted == ["save", "get", "get"]
    assert (await get_integration_metrics())["cache_hit_rate"] == 0.0
