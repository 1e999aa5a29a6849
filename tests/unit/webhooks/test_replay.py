"""The rules of replays: what may be asked for, what is chosen, and at which pace."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds.webhook_deliveries import WALL, delivery

from aragora.errors import InvalidInput
from aragora.webhooks.events import CATALOGUE
from aragora.webhooks.model import DeliveryStatus
from aragora.webhooks.replay import (
    AHEAD_S,
    PAGE_MAX,
    RANGE_MAX_S,
    RATE_MAX_PER_S,
    RATE_MIN_PER_S,
    Replay,
    Selection,
    Wish,
    ahead,
    check,
    is_back,
    is_due,
    page_size,
    pause_s,
    types_to_read,
)

WISH = Wish(WALL - 3_600.0, WALL, Selection.FAILED)
RATES = st.floats(RATE_MIN_PER_S, RATE_MAX_PER_S)


def replay(selection: Selection = Selection.FAILED) -> Replay:
    return Replay("rpl_1", "local", "wh_1", WALL, "ann", replace(WISH, selection=selection))


@pytest.mark.parametrize(
    ("wish", "named"),
    [
        (replace(WISH, since=WALL, until=WALL + 9.0), "since is in the future"),
        (replace(WISH, since=WALL + 5.0, until=WALL + 9.0), "since is in the future"),
        (replace(WISH, until=WISH.since), "until is not after since"),
        (replace(WISH, until=WISH.since - 1.0), "until is not after since"),
        (replace(WISH, since=WALL - RANGE_MAX_S - 1.0), "over 90 days"),
        (replace(WISH, rate_per_s=0.0), "rate_per_s"),
        (replace(WISH, rate_per_s=RATE_MAX_PER_S + 1.0), "rate_per_s"),
        (replace(WISH, event_types=("debate_ended",)), "Is debate_end meant"),
        (replace(WISH, event_types=("*",)), "no event type"),
        (replace(WISH, event_types=("debate_end", "debate_end")), "names debate_end twice"),
        (replace(WISH, event_types=tuple(f"t{number}" for number in range(51))), "51 types"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_field_and_the_mend(wish: Wish, named: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check(wish, WALL)
    assert named in refused.value.message


def test_a_range_ends_now_at_the_latest_and_may_be_ninety_days_long() -> None:
    assert check(replace(WISH, until=WALL + 1e9), WALL).until == WALL
    assert check(replace(WISH, since=WALL - RANGE_MAX_S, until=math.inf), WALL).until == WALL
    assert check(replace(WISH, event_types=("receipt", "consensus")), WALL).event_types == ("consensus", "receipt")


def test_only_types_of_debates_that_the_endpoint_has_chosen_are_read() -> None:
    every = types_to_read(("*",), ())
    assert "debate_end" in every
    assert not [name for name in every if CATALOGUE[name].high_volume or not CATALOGUE[name].of_debate]
    assert types_to_read(("*", "agent_message"), ("agent_message", "debate_end")) == ("agent_message", "debate_end")
    assert types_to_read(("*",), ("agent_message",)) == ()
    assert types_to_read(("webhook.failing",), ()) == ()
    assert types_to_read(("debate_end",), ("consensus",)) == ()


@pytest.mark.parametrize(
    ("status", "failed", "all_"),
    [
        (DeliveryStatus.DEAD_LETTERED, True, True),
        (DeliveryStatus.DELIVERED, False, True),
        (DeliveryStatus.CANCELLED, False, True),
        (DeliveryStatus.PENDING, False, False),
        (DeliveryStatus.RETRYING, False, False),
    ],
)
def test_what_is_brought_back_had_ended_before_the_replay_was_asked_for(
    status: DeliveryStatus, failed: bool, all_: bool
) -> None:
    waits = status.waits
    before = delivery(status=status, budget_at=WALL - 9.0, ended_at=None if waits else WALL - 1.0)
    since = replace(before, ended_at=None if waits else WALL)
    back = replace(before, budget_at=WALL)
    assert is_due(replay(Selection.FAILED), before) is failed
    assert is_due(replay(Selection.ALL), before) is all_
    assert not is_due(replay(Selection.MISSING), before)
    assert not any(is_due(replay(Selection.ALL), one) for one in (since, back))
    assert [is_back(replay(), one) for one in (before, back)] == [False, True]


@given(RATES, st.integers(0, 5_000))
def test_a_page_never_lets_more_wait_than_two_seconds_of_its_pace(rate: float, waiting: int) -> None:
    page = page_size(rate, waiting)
    assert 0 <= page <= PAGE_MAX
    if page:
        assert waiting + page <= max(1, math.ceil(rate * AHEAD_S))
    else:
        assert waiting >= ahead(rate)


@given(RATES, st.lists(st.integers(0, 2_000), max_size=200))
def test_in_no_stretch_of_time_is_more_made_than_its_pace_and_one_page(rate: float, waiting: list[int]) -> None:
    now, made, pages = 0.0, 0, 0
    for each in waiting:
        page = page_size(rate, each)
        made, now = made + page, now + pause_s(page, rate)
        pages = max(pages, page)
        assert made <= now * rate * (1 + 1e-9) + 1e-6
    assert pages <= max(1, math.ceil(rate))
