"""Ids are in order of time, and the beginning of one is known by its shape, however it was copied."""

from __future__ import annotations

import pytest

from aragora.ids import beginning_of_id, is_whole, new_id, range_of

WHOLE = "deb_01a21546b52e744db4747493a060d067"


@pytest.mark.parametrize(
    ("given", "beginning"),
    [
        (WHOLE, WHOLE),
        (WHOLE.removeprefix("deb_"), WHOLE),
        ("deb_01a2", "deb_01a2"),
        ("01a2", "deb_01a2"),
        ("deb_01a21312633b705...", "deb_01a21312633b705"),  # as tables cut it
        ("deb_01a21312633b705…", "deb_01a21312633b705"),
    ],
)
def test_the_beginning_of_an_id_is_taken_as_it_was_copied(given: str, beginning: str) -> None:
    assert beginning_of_id("deb", given) == beginning


@pytest.mark.parametrize(
    "given",
    [
        *(
            "",
            "deb_",
            "deb_01a",
            "01a",
            "01A2",
            "deb_01A2",
            "deb_01g2",
            "deb-01a2",
            "rcp_01a2",
            "deb_deb_01a2",
            "deb_%01",
        ),
        *(f"{WHOLE}0", "01a2\n", " 01a2", "01a2/events", "٠١٢٣"),
    ],
)
def test_what_no_id_begins_with_is_none(given: str) -> None:
    assert beginning_of_id("deb", given) is None


def test_a_fresh_id_is_whole_and_none_of_its_beginnings_is() -> None:
    fresh = new_id("deb")
    assert is_whole(fresh)
    assert not any(is_whole(fresh[:length]) for length in range(8, len(fresh)))


def test_the_range_of_a_beginning_holds_the_ids_that_begin_so_and_no_other() -> None:
    first, behind = range_of("deb_01a9")
    assert all(first <= f"deb_01a9{rest}" < behind for rest in ("", "0", "9", "a", "f", "f" * 28))
    assert not any(first <= other < behind for other in ("deb_01a8ffff", "deb_01aa", "deb_01a", "rcp_01a9"))
