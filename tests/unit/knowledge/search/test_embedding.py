from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.errors import InvalidInput, TooLarge
from aragora.knowledge.search.embedding import (
    TEXT_MAX_CHARS,
    TEXTS_MAX,
    EmbedderId,
    all_embeddable,
    averaged,
    embeddable,
    units,
    windows,
)

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=60)
ID = EmbedderId("model", "1", 384, "query:/passage:", "l2", "510-tokens-mean")


@pytest.mark.parametrize("text", ["", " ", "\n\t", "\x00", "\u200b\u2060", "\u3000", "\ufeff"])
def test_what_has_nothing_to_see_is_refused_before_it_is_embedded(text: str) -> None:
    with pytest.raises(InvalidInput, match="empty or blank") as refused:
        embeddable(text)
    assert refused.value.code == "empty_text"


def test_a_nul_hides_nothing_and_halves_of_characters_do_no_harm() -> None:
    assert embeddable("before\x00after") == "before after"
    assert embeddable("a\ud83d\ude00b\ud800") == "a\U0001f600b\ufffd"


@given(ANY_TEXT)
def test_what_is_embeddable_can_be_handed_to_c(text: str) -> None:
    try:
        guarded = embeddable(text)
    except InvalidInput:
        return
    assert b"\x00" not in guarded.encode()


def test_too_long_and_too_many_are_refused_with_the_limit() -> None:
    with pytest.raises(TooLarge, match="20,000 characters"):
        embeddable("a" * (TEXT_MAX_CHARS + 1))
    with pytest.raises(InvalidInput, match="Up to 1000 texts"):
        all_embeddable(["a"] * (TEXTS_MAX + 1))


def test_one_blank_text_refuses_the_whole_call() -> None:
    with pytest.raises(InvalidInput):
        all_embeddable(["a", ""])


@given(st.text(max_size=300), st.integers(16, 64))
def test_windows_hold_the_whole_text_in_order_within_their_size(text: str, max_bytes: int) -> None:
    pieces = windows(text, max_bytes)
    assert "".join(pieces) == text
    assert all(len(piece.encode()) <= max_bytes for piece in pieces)
    assert len(pieces) == 1 or all(pieces)


def test_windows_are_cut_between_words_where_there_are_any() -> None:
    assert windows("aaaa bbbb cccc dddd eeee", 16) == ["aaaa bbbb cccc ", "dddd eeee"]


def test_the_vector_of_a_text_is_the_mean_of_its_windows_by_their_length() -> None:
    whole = averaged(np.eye(2, dtype=np.float32), [3.0, 4.0])
    assert whole.tolist() == pytest.approx([0.6, 0.8])


@pytest.mark.parametrize("row", [[0.0, 0.0], [np.nan, 1.0], [np.inf, 1.0]])
def test_a_row_without_a_direction_is_no_vector(row: list[float]) -> None:
    with pytest.raises(ValueError, match="no direction"):
        units([[1.0, 0.0], row])


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "other"},
        {"version": "2"},
        {"dimension": 256},
        {"prefix": ""},
        {"normalisation": "none"},
        {"window": "cut"},
    ],
)
def test_every_part_of_an_embedders_id_tells_it_from_others(changed: dict[str, object]) -> None:
    parts = {name: getattr(ID, name) for name in EmbedderId.__slots__}
    assert str(EmbedderId(**{**parts, **changed})) != str(ID)  # type: ignore[arg-type]
