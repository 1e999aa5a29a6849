"""Confidences and severities as models write them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.agents.reading.shares import share_of


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (0, 0.0),
        (0.8, 0.8),
        (1, 1.0),
        (11, 0.11),
        (87.5, 0.875),
        (100, 1.0),
        ("0.8", 0.8),
        (".8", 0.8),
        ("0,9", 0.9),
        ("9/10", 0.9),
        ("9\u204410", 0.9),
        ("50/50", 0.5),
        ("50 / 50", 0.5),
        ("8 out of 10", 0.8),
        ("8 of 10", 0.8),
        ("4 / 5", 0.8),
        ("8.5/10", 0.85),
        ("90%", 0.9),
        ("90 %", 0.9),
        ("90 percent", 0.9),
        ("\uff19\uff10\uff05", 0.9),
        ("5%", 0.05),
        ("~80%", 0.8),
        ("≈ 0.8", 0.8),
        ("0.8 (sure)", 0.8),
        ("high (0.9)", 0.9),
        ("Confidence: 0.8", 0.8),
        ("**0.8**", 0.8),
        ("about 80%.", 0.8),
        ("85", 0.85),
    ],
)
def test_a_notation_that_names_its_whole_is_read(written: Any, meant: float) -> None:
    assert share_of(written) == pytest.approx(meant)


@pytest.mark.parametrize(
    "written",
    [
        *(2, 9, 10, 1.5, 9.5, -1, -0.1, 101, 10**400, float("nan"), float("inf"), True, False, None, [], {}, [0.8]),
        *(
            "high",
            "medium",
            "low",
            "",
            "N/A",
            "9",
            "10",
            "-0.5",
            "-10%",
            "150%",
            "11/10",
            "3/0",
            "70-80%",
            "0.7 to 0.8",
        ),
        *("1,000", "v0.8", "0.8.1", "1 in 3", "8/10/12", "9" * 400),
    ],
)
def test_what_names_no_share_for_certain_is_not_read(written: Any) -> None:
    assert share_of(written) is None


@given(st.text() | st.floats() | st.integers() | st.none() | st.booleans())
def test_a_share_is_from_0_to_1_or_none(value: Any) -> None:
    share = share_of(value)
    assert share is None or 0.0 <= share <= 1.0


@given(st.integers(0, 10))
def test_of_ten_is_the_same_in_every_notation(number: int) -> None:
    notations = (
        f"{number}/10",
        f"{number} out of 10",
        f"{number * 10}%",
        number / 10,
        f"0,{number}" if number < 10 else 1,
    )
    assert {share_of(notation) for notation in notations} == {number / 10}


@pytest.mark.parametrize("written", [-0.0, "-0.0", "0"])
def test_no_share_is_a_negative_zero(written: Any) -> None:
    assert str(share_of(written)) in ("0.0", "None")
