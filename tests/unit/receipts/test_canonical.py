from __future__ import annotations

import hashlib
import json

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from aragora.receipts.canonical import (
    NotCanonical,
    canonical,
    canonical_members,
    canonical_object,
    journal_digest,
    text_digest,
)

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(-(2.0**53) + 1, 2.0**53 - 1)  # beyond, a whole float comes back as an integer JSON cannot keep exact
    | st.text()
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=15
)


@given(st.dictionaries(st.text(), VALUES, max_size=8))
def test_an_object_put_together_from_members_is_the_canonical_object(value: dict[str, object]) -> None:
    assert canonical_object(canonical_members(value)) == rfc8785.dumps(value)


@given(VALUES)
def test_canonical_json_survives_a_round_trip(value: object) -> None:
    assert canonical(json.loads(canonical(value))) == canonical(value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**53, "\ud800", {1: 2}, object()])
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(NotCanonical):
        canonical(value)


@given(st.lists(st.text()))
def test_the_journal_digest_ends_every_payload_with_a_line_feed(payloads: list[str]) -> None:
    expected = hashlib.sha256("".join(payload + "\n" for payload in payloads).encode()).hexdigest()
    assert journal_digest(payloads) == journal_digest([payload.encode() for payload in payloads]) == expected


def test_a_text_with_a_lone_surrogate_still_has_a_digest() -> None:
    assert text_digest("\ud800") == text_digest("?")
