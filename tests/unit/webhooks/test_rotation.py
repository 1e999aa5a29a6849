"""Rotating a secret: both sign for the overlap, never more than three old ones, and there is a way back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds.webhook_deliveries import WALL
from worlds.webhook_store import endpoint

from aragora.errors import Conflict, InvalidInput
from aragora.webhooks.endpoint import Endpoint, OldSecret
from aragora.webhooks.rotation import OLD_SECRETS_MAX, OVERLAP_MAX_S, check_overlap, finished, rotated, valid

FIRST = endpoint().secret


def names(one: Endpoint, at: float) -> list[str]:
    """The secrets that sign at this time, the newest first."""
    return [one.secret, *(old.secret for old in valid(one, at))]


def test_the_old_secret_signs_until_the_overlap_ends() -> None:
    after = rotated(endpoint(), "the-second-secret", 3_600.0, WALL)
    assert names(after, WALL + 3_599.0) == ["the-second-secret", FIRST]
    assert names(after, WALL + 3_600.0) == ["the-second-secret"]


def test_without_overlap_the_old_secret_ends_at_once() -> None:
    assert rotated(endpoint(), "the-second-secret", 0.0, WALL).old_secrets == ()


def test_a_second_rotation_within_the_overlap_keeps_the_ends_of_the_first() -> None:
    once = rotated(endpoint(), "the-second-secret", 3_600.0, WALL)
    twice = rotated(once, "the-third-secret", 100.0, WALL + 1.0)
    assert twice.old_secrets == (OldSecret("the-second-secret", WALL + 101.0), OldSecret(FIRST, WALL + 3_600.0))


def test_going_back_to_an_old_secret_takes_it_from_the_old_ones() -> None:
    once = rotated(endpoint(), "the-second-secret", 3_600.0, WALL)
    back = rotated(once, FIRST, 3_600.0, WALL + 1.0)
    assert names(back, WALL + 1.0) == [FIRST, "the-second-secret"]


def test_a_fourth_old_secret_is_refused_until_one_has_ended_or_the_overlap_is_finished() -> None:
    full = endpoint(old_secrets=tuple(OldSecret(f"old-secret-{number}", WALL + 10.0) for number in range(3)))
    with pytest.raises(Conflict, match="finish their overlap"):
        rotated(full, "the-next-secret", 60.0, WALL)
    assert len(rotated(full, "the-next-secret", 60.0, WALL + 10.0).old_secrets) == 1
    assert len(rotated(finished(full), "the-next-secret", 60.0, WALL).old_secrets) == 1
    assert len(rotated(full, "the-next-secret", 0.0, WALL).old_secrets) == OLD_SECRETS_MAX


def test_the_secret_that_is_there_is_refused_and_not_told() -> None:
    with pytest.raises(InvalidInput) as refused:
        rotated(endpoint(), FIRST, 60.0, WALL)
    assert FIRST not in refused.value.message


@pytest.mark.parametrize("overlap_s", [-1.0, OVERLAP_MAX_S + 1.0, float("nan"), float("inf")])
def test_an_overlap_out_of_range_is_refused(overlap_s: float) -> None:
    with pytest.raises(InvalidInput, match="overlap_hours is not from 0 to 168"):
        check_overlap(overlap_s)


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from([0.0, 5.0, 50.0]), st.floats(0, 20)), max_size=12))
def test_whatever_is_rotated_when_no_secret_signs_twice_and_the_newest_goes_first(
    steps: list[tuple[str, float, float]],
) -> None:
    one, at = endpoint(), WALL
    for secret, overlap_s, pause_s in steps:
        at += pause_s
        try:
            one = rotated(one, secret, overlap_s, at)
        except (Conflict, InvalidInput):
            continue
        signing = names(one, at)
        assert signing[0] == secret
        assert len(signing) == len(set(signing)) <= 1 + OLD_SECRETS_MAX
