"""When a delivery that failed is tried again. Pure: the random draw comes in.

The delay of the schedule is a floor and jitter comes on top of it, as the runbook has it: a receiver is never asked
sooner than it was told. `aragora.resilience.backoff` draws from zero on, for calls inside a process.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aragora.webhooks.model import Rules

JITTER: Final = 0.5
"""Of a delay: how much longer it may become."""

RUNBOOK: Final = Rules()
"""The runbook's defaults: 1, 2, 4, 8 and 16 s. For `deliver_webhook`."""

_MIN: Final = 60.0
_H: Final = 3600.0

PATIENT: Final = Rules(
    max_retries=9,
    delays_s=(5.0, 5 * _MIN, 30 * _MIN, 2 * _H, 5 * _H, 10 * _H, 14 * _H, 20 * _H, 24 * _H),
)
"""Over three to five days, so that a receiver that is away for a weekend misses nothing. For endpoints."""

SCHEDULES: Final[Mapping[str, Rules]] = {"runbook": RUNBOOK, "patient": PATIENT}
"""By the name that an endpoint gives."""

_DOUBLINGS_MAX: Final = 64  # far beyond every cap; 2.0 to the power of 1024 would raise


def delay_s(rules: Rules, retry: int, draw: float) -> float:
    """Seconds to wait before the retry number `retry` (1 is the first after the first request); `draw` is uniform in
    [0, 1). Retries beyond the list of `rules.delays_s` wait as long as its last."""
    if rules.delays_s:
        floor = rules.delays_s[min(retry, len(rules.delays_s)) - 1]
    else:
        floor = min(rules.base_s * 2.0 ** min(retry - 1, _DOUBLINGS_MAX), rules.max_s)
    return floor + JITTER * floor * draw
