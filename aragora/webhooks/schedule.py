"""When a delivery is tried again."""

from __future__ import annotations

from aragora.webhooks.model import Rules


def delay_s(rules: Rules, retry: int, draw: float) -> float:
    """Seconds before the retry with this number (1 for the first); `draw` is uniform in [0, 1)."""
    if rules.delays_s:
        floor = rules.delays_s[min(retry, len(rules.delays_s)) - 1]
    else:
        floor = min(rules.base_s * 2.0 ** min(retry - 1, 30), rules.max_s)
    return floor * (1.0 + draw / 2.0)
