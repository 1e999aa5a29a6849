"""Latency, errors, cache and health of an integration store, by wrapping it.

    instrumented = InstrumentedIntegrationStore(base_store, backend_type="postgresql")
    await instrumented.save({"type": "slack", "user_id": "u-123", "token": "..."})
    config = await instrumented.get("slack", "u-123")

`get_integration_metrics` and `get_integration_health` tell of the store that this process registered: `register`.
"""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from aragora.errors import InvalidInput, NotFound, Unavailable
from aragora.ids import LOCAL_ORG
from aragora.integrations.figures import Figures
from aragora.integrations.stores import Refresh
from aragora.observability.registry import REGISTRY, Registry
from aragora.resilience.cache import Cache
from aragora.storage.collection import Survey

T = TypeVar("T")
_log = logging.getLogger(__name__)

CACHE_TTL_S: Final = 30.0
CACHE_SIZE: Final = 1_000

# The caller's mistake: the store works, so neither its success rate nor its health suffers.
_NOT_THE_STORES_FAULT: Final = (InvalidInput, NotFound)


class BaseStore(Protocol):
    """What is wrapped: `IntegrationStore`, or anything that has its methods."""

    async def save(self, config: Mapping[str, Any]) -> None: ...
    async def get(self, kind: str, user_id: str, org_id: str = ...) -> dict[str, Any] | None: ...
    async def list(self, user_id: str | None = ..., org_id: str = ...) -> list[dict[str, Any]]: ...
    async def survey(self, user_id: str | None = ..., org_id: str = ...) -> Survey[dict[str, Any]]: ...
    async def delete(self, kind: str, user_id: str, org_id: str = ...) -> bool: ...
    async def refresh_token(self, kind: str, user_id: str, refresh: Refresh, org_id: str = ...) -> dict[str, Any]: ...
    async def count(self) -> int: ...


class InstrumentedIntegrationStore:
    """The wrapped store with figures, and a cache for `get` that other replicas' changes reach after `cache_ttl_s`.

    Args:
        base_store: the store that does the work.
        backend_type: its name in figures and metrics, e.g. postgresql.
        cache_ttl_s: seconds that an answer of `get` is kept; 0 keeps none.
        registry: where Prometheus metrics are counted.
    """

    def __init__(
        self,
        base_store: BaseStore,
        backend_type: str = "sqlite",
        *,
        cache_ttl_s: float = CACHE_TTL_S,
        registry: Registry = REGISTRY,
    ) -> None:
        self._store = base_store
        self._registry = registry
        self._cache: Cache[tuple[str, str, str], dict[str, Any]] = Cache(CACHE_SIZE, cache_ttl_s)
        self.figures = Figures(backend_type)
        self._publish()

    async def get(self, kind: str, user_id: str, org_id: str = LOCAL_ORG) -> dict[str, Any] | None:
        """The settings with readable secrets, or None."""
        key = (org_id, kind, user_id)
        cached = self._cache.get(key, time.monotonic())
        if cached is not None:
            self.figures.hit()
            self._registry.inc("aragora_integration_store_operations_total", operation="get", status="success")
            self._publish()
            return copy.deepcopy(cached)
        self.figures.missed()
        fill = self._cache.filling(key)
        config = await self._measured("get", lambda: self._store.get(kind, user_id, org_id))
        if config is not None:
            fill(copy.deepcopy(config), time.monotonic())
        return config

    async def save(self, config: Mapping[str, Any]) -> None:
        """Insert or replace."""
        await self._measured("save", lambda: self._store.save(config))
        org_id = config.get("org_id") or LOCAL_ORG
        self._cache.drop((str(org_id), str(config.get("type")), str(config.get("user_id"))))
        await self._recount()

    async def delete(self, kind: str, user_id: str, org_id: str = LOCAL_ORG) -> bool:
        """True if it was there."""
        self._cache.drop((org_id, kind, user_id))
        deleted = await self._measured("delete", lambda: self._store.delete(kind, user_id, org_id))
        self._cache.drop((org_id, kind, user_id))
        await self._recount()
        return deleted

    async def list(self, user_id: str | None = None, org_id: str = LOCAL_ORG) -> list[dict[str, Any]]:
        """The organisation's integrations, or one user's."""
        found = await self._measured("list", lambda: self._store.list(user_id, org_id))
        await self._recount()
        return found

    async def survey(self, user_id: str | None = None, org_id: str = LOCAL_ORG) -> Survey[dict[str, Any]]:
        """As `list`, and beside it those that cannot be read. Counts as the operation `list`."""
        found = await self._measured("list", lambda: self._store.survey(user_id, org_id))
        await self._recount()
        return found

    async def refresh_token(self, kind: str, user_id: str, refresh: Refresh, org_id: str = LOCAL_ORG) -> dict[str, Any]:
        """Get new tokens from the outside service and keep them."""
        config = await self._measured(
            "refresh_token", lambda: self._store.refresh_token(kind, user_id, refresh, org_id)
        )
        self._cache.drop((org_id, kind, user_id))
        return config

    async def health_check(self) -> dict[str, Any]:
        """Health now: asks the store how many integrations it has."""
        await self._recount()
        return {
            "healthy": self.figures.healthy,
            "backend_type": self.figures.backend_type,
            "consecutive_failures": self.figures.consecutive_failures,
            "active_integrations": self.figures.active_integrations,
        }

    async def _measured(self, operation: str, work: Callable[[], Awaitable[T]]) -> T:
        started = time.perf_counter()
        try:
            result = await work()
        except _NOT_THE_STORES_FAULT:
            self._done(operation, time.perf_counter() - started, failed=False)
            raise
        except Exception:
            self._done(operation, time.perf_counter() - started, failed=True)
            raise
        self._done(operation, time.perf_counter() - started, failed=False)
        return result

    async def _recount(self) -> None:
        """The number of integrations is a reading, not an operation: it changes no health. Kept where it fails."""
        try:
            self.figures.active_integrations = await self._store.count()
        except Unavailable as away:
            _log.debug("integrations not counted: %s", away.message)
        self._publish()

    def _done(self, operation: str, elapsed_s: float, *, failed: bool) -> None:
        self.figures.done(operation, elapsed_s, failed=failed)
        status = "failure" if failed else "success"
        self._registry.inc("aragora_integration_store_operations_total", operation=operation, status=status)
        self._registry.observe("aragora_integration_store_latency_seconds", elapsed_s, operation=operation)
        self._publish()

    def _publish(self) -> None:
        figures = self.figures
        self._registry.set("aragora_integration_store_health", float(figures.healthy), backend=figures.backend_type)
        self._registry.set("aragora_integration_store_active_integrations", float(figures.active_integrations))
        self._registry.set("aragora_integration_store_cache_hit_rate", figures.cache_hit_rate)
        self._registry.set("aragora_integration_store_consecutive_failures", float(figures.consecutive_failures))


@dataclass(slots=True)
class _Process:
    """The store that this process tells of."""

    store: InstrumentedIntegrationStore | None = None


_process: Final = _Process()


def register(store: InstrumentedIntegrationStore) -> None:
    """From now on the two functions below tell of `store`."""
    _process.store = store


async def get_integration_metrics() -> dict[str, Any]:
    """All figures of this process's store. Raises NotFound where none is registered."""
    return _registered().figures.metrics()


async def get_integration_health() -> dict[str, Any]:
    """A summary of this process's store. Raises NotFound where none is registered."""
    return _registered().figures.health()


def _registered() -> InstrumentedIntegrationStore:
    if _process.store is None:
        raise NotFound("This process has no integration store; wrap one in InstrumentedIntegrationStore first.")
    return _process.store
