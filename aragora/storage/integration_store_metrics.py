"""The runbook's names for the figures of the integration store. They live in `aragora.integrations.store_metrics`.

The runbook wraps a store and then asks for its figures, so the class of this module registers what it wraps.
"""

from __future__ import annotations

from aragora.integrations import store_metrics
from aragora.integrations.store_metrics import (
    CACHE_TTL_S,
    BaseStore,
    get_integration_health,
    get_integration_metrics,
    register,
)
from aragora.observability.registry import REGISTRY, Registry

__all__ = ["InstrumentedIntegrationStore", "get_integration_health", "get_integration_metrics"]


class InstrumentedIntegrationStore(store_metrics.InstrumentedIntegrationStore):
    """The wrapped store, registered: `get_integration_metrics` tells of the one that was made last."""

    def __init__(
        self,
        base_store: BaseStore,
        backend_type: str = "sqlite",
        *,
        cache_ttl_s: float = CACHE_TTL_S,
        registry: Registry = REGISTRY,
    ) -> None:
        super().__init__(base_store, backend_type, cache_ttl_s=cache_ttl_s, registry=registry)
        register(self)
