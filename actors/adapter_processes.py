"""How many processes the mound's adapters have: one each, or one for all. Pure but for the cores of this machine.

Whoever starts the service decides what the settings leave open, and what it begins goes by that: nodes of a cluster
have different numbers of cores, and two that decided differently would have two processes learn the same.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import Final

from actors.kinds import ADAPTERS_KEY
from aragora.config.knowledge import AdapterProcesses
from aragora.config.settings import Settings

CORES_FOR_OWN: Final = 8


def decided(settings: Settings) -> Settings:
    """The settings, with the cores of this machine in place of `auto`."""
    if settings.knowledge_adapter_processes is not AdapterProcesses.AUTO:
        return settings
    own = (os.cpu_count() or 1) >= CORES_FOR_OWN
    chosen = AdapterProcesses.OWN if own else AdapterProcesses.SHARED
    return settings.model_copy(update={"knowledge_adapter_processes": chosen})


def hosts(settings: Settings, adapters: Collection[str]) -> dict[str, str]:
    """The key of the actor that hosts each adapter."""
    own = decided(settings).knowledge_adapter_processes is AdapterProcesses.OWN
    return {name: name if own else ADAPTERS_KEY for name in adapters}
