"""API keys: unguessable, kept as hashes, recognised by their form."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aragora.identity import api_keys


def test_a_key_is_recognised_by_its_hash_alone() -> None:
    key, other = api_keys.make_key(), api_keys.make_key()
    assert api_keys.key_id_of(key.text) == key.key_id
    assert api_keys.matches(key.text, key.digest)
    assert not api_keys.matches(other.text, key.digest)
    assert key.text not in repr(key)
    assert key.text.startswith(key.shown)


@given(st.text())
def test_what_is_no_key_has_no_key_id(text: str) -> None:
    assert api_keys.key_id_of(text) is None
