"""Cursors: our own come back as they were, all others are refused."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.errors import InvalidInput
from aragora.storage.cursors import Place, cursor_of, place_of

IDS = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=60)  # no id of ours has a control character
PLACES = st.builds(Place, st.floats(allow_nan=False, allow_infinity=False), IDS)


@given(PLACES)
def test_a_cursor_leads_back_to_its_place(place: Place) -> None:
    assert place_of(cursor_of(place)) == place


@given(PLACES)
def test_a_cursor_needs_no_quoting_in_a_url(place: Place) -> None:
    assert cursor_of(place).replace("-", "").replace("_", "").isalnum()


@given(st.text())
def test_any_other_text_is_read_or_refused_but_never_breaks(text: str) -> None:
    with suppress(InvalidInput):
        place_of(text)


@pytest.mark.parametrize("text", ["", "x", "%%%", "é", "W10", "WzEsMiwzXQ", "bnVsbA"])
def test_foreign_texts_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        place_of(text)


def test_an_id_that_no_store_can_keep_is_refused() -> None:
    with pytest.raises(InvalidInput):
        place_of(cursor_of(Place(0.0, "deb_\0")))
