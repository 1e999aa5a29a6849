"""What can be chosen about the scenarios, and what each of them prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """Sizes of the scenarios; the defaults are what docs/performance.md was measured with.

    Args:
        endpoints: of N1, N2b and N6.
        events: of N1 and N6, each to every endpoint.
        seconds: how long scenarios with a set rate run.
        rate: deliveries a second of N2.
        hot: endpoints of N3, each sent one event a second.
        registered, large: endpoints of N4 and of N5.
        waiting, down_s: deliveries of N7, and how long its endpoint is down.
        rows: deliveries that N8 finds in the store.
        debates: of N9.
        own_debates: whose events are sent to an endpoint with a process of its own.
        scale: of the published scenarios, 1.0 is their own size.
    """

    endpoints: int = 100
    events: int = 200
    seconds: float = 15.0
    rate: float = 200.0
    hot: int = 1_000
    registered: int = 100_000
    large: int = 100_000
    waiting: int = 10_000
    down_s: float = 10.0
    rows: int = 1_000_000
    debates: int = 300
    own_debates: int = 100
    scale: float = 0.1


@dataclass(frozen=True, slots=True)
class Line:
    """One printed line: figures, the goal in words, and whether it is met; None where there is no goal."""

    scenario: str
    figures: Mapping[str, object]
    goal: str = ""
    met: bool | None = None
