"""What `aragora ask` says a debate will take, before it begins."""

from __future__ import annotations

import pytest

from aragora.cli.ask import told_before
from aragora.debate.forecast import Forecast


@pytest.mark.parametrize(
    ("forecast", "told"),
    [
        (Forecast(3, 16, 1, 8, 0.5), "3 to 16 asks in 1 to 8 phases, at most $0.5; fewer where the agents agree."),
        (Forecast(4, 4, 1, 1, None), "4 asks in 1 phase, free."),
    ],
)
def test_asks_phases_and_cost_stand_in_one_line(forecast: Forecast, told: str) -> None:
    assert told_before(forecast) == told
