"""The health of the mound as the runbook shows it: eleven components, each exercised. Pure.

- `healthy` counts components that work, and those that are off on purpose.
- `active` counts those that are on and were used within the hour.
- The whole is healthy where all components are, unhealthy where the store fails, else degraded.

Only states, counts and ages are told: the answer is public.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

ACTIVE_S: Final = 3_600.0


class Component(StrEnum):
    """The parts of the mound."""

    STORE = "store"
    LEXICAL_INDEX = "lexical_index"
    VECTOR_INDEX = "vector_index"
    EMBEDDER = "embedder"
    CACHE = "cache"
    ADAPTERS = "adapters"
    CONTROL_PLANE = "control_plane"
    DEBATE_INTEGRATION = "debate_integration"
    CONTRADICTIONS = "contradictions"
    SUMMARIES = "summaries"
    LEDGER = "ledger"


class State(StrEnum):
    """What a look at a component found."""

    WORKS = "works"
    OFF = "off"  # on purpose: by a setting, or this version does not have it
    FAILS = "fails"


@dataclass(frozen=True, slots=True)
class Reading:
    """One look. `used_at` is when it was used last, in seconds since the epoch, None where that is not known or never;
    `figures` are counts and ages in seconds."""

    state: State
    used_at: float | None = None
    figures: Mapping[str, float] = field(default_factory=dict)


FAILED: Final = Reading(State.FAILS)
OFF: Final = Reading(State.OFF)


def told(readings: Mapping[Component, Reading], now: float) -> dict[str, Any]:
    """The answer of the health route. A component without a reading fails: nobody knows that it works."""
    components = {one.value: _component(readings.get(one, FAILED), now) for one in Component}
    healthy = sum(one["healthy"] for one in components.values())
    summary = {
        "total_components": len(components),
        "healthy": healthy,
        "active": sum(one["active"] for one in components.values()),
    }
    return {"status": _status(components, healthy), "summary": summary, "components": components}


def _status(components: Mapping[str, Mapping[str, Any]], healthy: int) -> str:
    if healthy == len(components):
        return "healthy"
    return "degraded" if components[Component.STORE]["healthy"] else "unhealthy"


def _component(reading: Reading, now: float) -> dict[str, Any]:
    age_s = None if reading.used_at is None else max(0.0, now - reading.used_at)
    works = reading.state is State.WORKS
    return {
        "state": reading.state,
        "healthy": works or reading.state is State.OFF,
        "active": works and age_s is not None and age_s <= ACTIVE_S,
        "used_s_ago": None if age_s is None else round(age_s, 1),
        **reading.figures,
    }
