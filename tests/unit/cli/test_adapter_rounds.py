"""What `aragora knowledge sync` says that an adapter did."""

from __future__ import annotations

import pytest

from aragora.cli.rendering.knowledge_operations import synced_text

ROUND = {"adapter": "cost", "debates": 2, "gathered": 0, "written": 0, "skipped": {}, "backlog": 0, "lag_s": 0.0}


@pytest.mark.parametrize(
    ("did", "said"),
    [
        ({"gathered": 5, "written": 3}, "2 debates read, 3 of 5 items written"),
        ({"noted": 2}, "2 debates read, 2 notes"),
        ({"gathered": 1, "written": 1, "noted": 2}, "2 debates read, 1 of 1 item written, 2 notes"),
        ({"skipped": {"nothing to learn": 2}}, "0 of 0 items written; passed over: 2 nothing to learn"),
    ],
)
def test_a_round_says_what_was_written_and_what_was_noted(did: dict[str, object], said: str) -> None:
    assert said in synced_text({**ROUND, **did})
