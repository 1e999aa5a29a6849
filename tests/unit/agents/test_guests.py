"""Models named on the spot are let in up to a limit, and leave an hour after they were named last."""

from __future__ import annotations

import pytest

from aragora.agents.guests import STAY_S, Guests
from aragora.errors import RateLimited


def test_as_many_as_allowed_are_let_in_and_those_who_are_in_come_again() -> None:
    guests = Guests(most=2)
    guests.admit(["local:a", "local:b"], 0.0)
    guests.admit(["local:b", "local:a"], 1.0)
    with pytest.raises(RateLimited) as caught:
        guests.admit(["local:c"], 1.0)
    assert caught.value.retry_after_s == pytest.approx(STAY_S)


def test_whoever_was_not_named_for_an_hour_makes_room() -> None:
    guests = Guests(most=2)
    guests.admit(["local:a"], 0.0)
    guests.admit(["local:b"], 10.0)
    guests.admit(["local:a"], 20.0)
    guests.admit(["local:c"], 10.0 + STAY_S)
    with pytest.raises(RateLimited):
        guests.admit(["local:b"], 10.0 + STAY_S)


def test_a_team_that_is_refused_counts_not_at_all() -> None:
    guests = Guests(most=2)
    with pytest.raises(RateLimited):
        guests.admit(["local:a", "local:b", "local:c"], 0.0)
    guests.admit(["local:d", "local:e"], 0.0)
