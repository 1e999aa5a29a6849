"""Every adapter of the mound by its name, and those that are on by the settings."""

from __future__ import annotations

from typing import Final

from aragora.config.settings import Settings
from aragora.knowledge.learning import ADAPTERS
from aragora.knowledge.mound.adapters import task_outcomes

EVERY: Final = (*ADAPTERS, task_outcomes.NAME)
"""Those that learn from debates, and the one that learns from tasks."""


def adapters_on(settings: Settings) -> tuple[str, ...]:
    """Those that learn."""
    if not settings.knowledge:
        return ()
    return EVERY if settings.learns_from_tasks else tuple(ADAPTERS)
