"""Times as people write them at a command."""

from __future__ import annotations

import pytest

from aragora.cli.times import moment_of
from aragora.errors import InvalidInput

NOW = 1_772_366_400.0  # 2026-03-01 12:00 UTC


@pytest.mark.parametrize(
    ("written", "at"),
    [
        ("24h", NOW - 86_400.0),
        ("7d", NOW - 7 * 86_400.0),
        ("90m", NOW - 5_400.0),
        ("1.5h", NOW - 5_400.0),
        ("30s", NOW - 30.0),
        ("2w", NOW - 14 * 86_400.0),
        ("2026-03-01T12:00Z", NOW),
        ("2026-03-01T12:00", NOW),
        ("2026-03-01 12:00:00", NOW),
        ("2026-03-01T14:00+02:00", NOW),
        ("2026-03-01", NOW - 43_200.0),
        (" 24h ", NOW - 86_400.0),
    ],
)
def test_an_age_or_a_moment_is_a_time(written: str, at: float) -> None:
    assert moment_of("--since", written, NOW) == at


@pytest.mark.parametrize(
    "written", ["", "yesterday", "24", "h", "-5h", "5y", "2026-13-01", "1e3h", "٣h", "9" * 400 + "d"]
)
def test_what_is_none_is_refused_with_the_option_and_examples(written: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        moment_of("--until", written, NOW)
    assert "--until" in refused.value.message
    assert "24h" in refused.value.message
