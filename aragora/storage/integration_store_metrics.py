"""The runbook's names for the figures of the integration store. They live in `aragora.integrations.store_metrics`."""

from __future__ import annotations

from aragora.integrations.store_metrics import (
    InstrumentedIntegrationStore,
    get_integration_health,
    get_integration_metrics,
)

__all__ = ["InstrumentedIntegrationStore", "get_integration_health", "get_integration_metrics"]
