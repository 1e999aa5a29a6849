"""The decision router as the runbook names it; its parts are in `aragora.decisions` and, for an operator's program,
in `aragora.composition.local_router`."""

from __future__ import annotations

from aragora.composition.local_router import (
    get_cache_stats,
    get_decision_router,
    invalidate_cache_for_agent_upgrade,
    invalidate_cache_for_policy_change,
    invalidate_cache_for_workspace,
)
from aragora.decisions.response_cache import ResponseCache

__all__ = [
    "ResponseCache",
    "get_cache_stats",
    "get_decision_router",
    "invalidate_cache_for_agent_upgrade",
    "invalidate_cache_for_policy_change",
    "invalidate_cache_for_workspace",
]
