"""Points in time as callers write them."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.limits import MOMENT_MAX_S
from aragora.server.moments import moment


@given(st.datetimes(datetime(1, 1, 2), datetime(5000, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001  hypothesis wants them so
def test_a_text_with_a_zone_is_that_moment(at: datetime) -> None:
    assert moment(at.isoformat()) == pytest.approx(at.timestamp())


@given(st.floats(-MOMENT_MAX_S, MOMENT_MAX_S))
def test_seconds_stay_what_they_are(at: float) -> None:
    assert moment(at) == at
    assert not math.copysign(1.0, moment(-0.0)) < 0


@given(st.datetimes(datetime(1980, 1, 1), datetime(2030, 1, 1)))  # noqa: DTZ001  as above
def test_a_text_without_a_zone_is_read_as_the_servers(at: datetime) -> None:
    assert moment(at.isoformat()) == pytest.approx(at.timestamp())


@given(st.text() | st.floats() | st.integers() | st.booleans() | st.none())
def test_whatever_is_sent_is_a_finite_moment_or_refused(value: object) -> None:
    try:
        found = moment(value)
    except ValueError:
        return
    assert math.isfinite(found)
    assert abs(found) <= MOMENT_MAX_S
