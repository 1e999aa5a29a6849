"""What a scope holds: one organisation's things, of its own workspaces, by their exact names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.errors import InvalidInput
from aragora.scope import EVERYTHING, Scope, checked_workspace

ORGS = st.sampled_from(["acme", "Acme", "acme2", "local", ""])
NAMES = st.sampled_from(["default", "team_a", "teamXa", "team", "team_", "TEAM_A", "team_a.", "*", "%"])
SCOPES = st.builds(Scope, ORGS, st.frozensets(NAMES, max_size=4))


@given(SCOPES, SCOPES, ORGS, NAMES)
def test_two_scopes_without_a_common_workspace_of_one_organisation_never_hold_the_same(
    one: Scope, other: Scope, org_id: str, workspace: str
) -> None:
    both = one.holds(org_id, workspace) and other.holds(org_id, workspace)
    if both:
        assert one.org_id == other.org_id == org_id
        assert workspace in (one.workspaces or ())
        assert workspace in (other.workspaces or ())


@given(ORGS, NAMES, NAMES)
def test_a_name_stands_for_itself_alone(org_id: str, mine: str, asked: str) -> None:
    assert Scope(org_id, frozenset({mine})).holds(org_id, asked) is (mine == asked)


@given(ORGS, ORGS, NAMES)
def test_no_workspaces_are_nothing_and_none_are_all_of_the_organisation(org_id: str, other: str, name: str) -> None:
    assert not Scope(org_id, frozenset()).holds(org_id, name)
    assert Scope(org_id, None).holds(other, name) is (org_id == other)
    assert EVERYTHING.holds(other, name)


@pytest.mark.parametrize("name", ["default", "a", "A.b_c-9", "x" * 64, "."])
def test_letters_digits_and_a_few_signs_are_a_name(name: str) -> None:
    assert checked_workspace(name) == name


@pytest.mark.parametrize("name", ["", "x" * 65, "a b", "a/b", "*", "%", "tea\n", "té", "a\u200b", "a:b", "\uff41"])
def test_anything_else_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        checked_workspace(name)
    assert refused.value.code == "invalid_workspace"
