"""Scopes of API keys: named ones and permissions, never administration."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.errors import InvalidInput
from aragora.identity.rbac import PERMISSIONS
from aragora.identity.scopes import ADMINISTRATION, DEFAULT, GRANTABLE, NAMED, checked, permissions_in


def test_a_scope_is_a_permission_or_one_of_the_named() -> None:
    assert checked(["read", "debates.create", "read"]) == ("read", "debates.create")
    assert permissions_in(["read", "debates.create"]) == NAMED["read"] | {"debates.create"}
    assert permissions_in(DEFAULT) == PERMISSIONS - ADMINISTRATION
    assert checked(GRANTABLE) == tuple(GRANTABLE)


@pytest.mark.parametrize(
    "scopes", [[], ["system.admin"], ["users.manage", "read"], ["Read"], [""], ["debates.destroy"]]
)
def test_what_no_key_may_have_is_refused(scopes: list[str]) -> None:
    with pytest.raises(InvalidInput):
        checked(scopes)


@given(st.lists(st.one_of(st.sampled_from([*NAMED, *PERMISSIONS]), st.text()), max_size=6))
def test_no_scopes_whatever_hold_a_right_to_administer(scopes: list[str]) -> None:
    assert permissions_in(scopes) <= GRANTABLE
