"""Which workspaces a caller may use, and which one a request means."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.errors import AragoraError, Forbidden, InvalidInput
from aragora.identity import workspaces
from aragora.identity.authorization import authorize
from aragora.identity.principal import LOCAL_OPERATOR, Method, Principal
from aragora.identity.rbac import PERMISSIONS, ROLES, WEBHOOKS_MANAGE, WHOLE_ORGANISATION, permissions_of
from aragora.scope import Scope

MEMBER = Principal("usr_m", "acme", ("member",), Method.SESSION)
OWNER = Principal("usr_o", "acme", ("owner",), Method.SESSION)
OF_TWO = replace(MEMBER, granted=("team_a", "team_b"))
KEY = replace(OWNER, method=Method.API_KEY, key_id="k", bound_to="team_a")
NAMES = st.sampled_from(["default", "team_a", "teamXa", "TEAM_A", "*"])
PRINCIPALS = st.builds(
    Principal,
    st.just("usr"),
    st.sampled_from(["acme", "globex"]),
    st.sampled_from([(), *((role,) for role in ROLES)]),
    st.sampled_from([Method.SESSION, Method.API_KEY]),
    granted=st.lists(NAMES, min_size=1, max_size=3).map(tuple),
    bound_to=st.none() | st.sampled_from(["default", "team_a", "teamXa"]),
)


def only(*names: str) -> Scope:
    return Scope("acme", frozenset(names))


@pytest.mark.parametrize(
    ("who", "wanted", "scope"),
    [
        (MEMBER, None, only("default")),
        (MEMBER, "default", only("default")),
        (MEMBER, "*", only("default")),
        (OWNER, None, only("default")),
        (OWNER, "team_z", only("team_z")),
        (OWNER, "*", Scope("acme", None)),
        (replace(MEMBER, granted=("team_a",)), None, only("team_a")),
        (OF_TWO, "team_b", only("team_b")),
        (OF_TWO, "*", only("team_a", "team_b")),
        (replace(OF_TWO, granted=("team_a", "default")), None, only("default")),
        (replace(MEMBER, granted=("*",)), "team_z", only("team_z")),
        (KEY, None, only("team_a")),
        (KEY, "*", only("team_a")),
        (replace(KEY, bound_to=None), None, only("default")),
        (LOCAL_OPERATOR, None, Scope(None, frozenset({"default"}))),
        (LOCAL_OPERATOR, "*", Scope(None, None)),
        (Principal("svc", "acme", ("member",), Method.SERVICE), "team_z", only("team_z")),
    ],
)
def test_a_request_means_the_workspace_it_names_or_the_usual_one(
    who: Principal, wanted: str | None, scope: Scope
) -> None:
    assert workspaces.of(who, wanted) == scope


@pytest.mark.parametrize(
    ("who", "wanted", "code"),
    [
        (MEMBER, "team_a", "foreign_workspace"),
        (OF_TWO, "teamXa", "foreign_workspace"),
        (OF_TWO, "default", "foreign_workspace"),
        (OF_TWO, None, "workspace_needed"),
        (KEY, "default", "foreign_workspace"),
        (replace(KEY, roles=("member",)), None, "foreign_workspace"),  # its owner may no longer
        (OWNER, "a b", "invalid_workspace"),
    ],
)
def test_a_workspace_that_one_may_not_use_is_refused(who: Principal, wanted: str | None, code: str) -> None:
    with pytest.raises((Forbidden, InvalidInput)) as refused:
        workspaces.of(who, wanted)
    assert refused.value.code == code


@given(PRINCIPALS, st.none() | NAMES)
def test_no_request_reaches_beyond_what_the_caller_may_use(who: Principal, wanted: str | None) -> None:
    reach = workspaces.reach_of(who)
    try:
        scope = workspaces.of(who, wanted)
    except AragoraError:
        return
    assert scope.org_id == who.org_id
    if reach.workspaces is not None:
        assert scope.workspaces is not None
        assert scope.workspaces <= reach.workspaces


@given(PRINCIPALS, PRINCIPALS, NAMES)
def test_callers_of_two_organisations_never_reach_the_same(one: Principal, other: Principal, name: str) -> None:
    if one.org_id != other.org_id:
        for org_id in ("acme", "globex"):
            assert not (workspaces.reach_of(one).holds(org_id, name) and workspaces.reach_of(other).holds(org_id, name))


@given(PRINCIPALS)
def test_a_key_only_narrows_what_its_owner_may(key: Principal) -> None:
    owner = replace(key, bound_to=None)
    assert key.permissions <= owner.permissions
    if owner.workspaces is not None:
        assert key.workspaces is not None
        assert key.workspaces <= owner.workspaces
    if key.bound_to is not None:
        assert key.workspaces is not None
        assert key.workspaces <= {key.bound_to}
        assert not key.permissions & WHOLE_ORGANISATION


def test_a_key_of_one_workspace_has_no_right_over_the_whole_organisation_and_is_told_why() -> None:
    authorize(WEBHOOKS_MANAGE, replace(KEY, bound_to=None), production=True)
    with pytest.raises(Forbidden, match="whole organisation") as refused:
        authorize(WEBHOOKS_MANAGE, KEY, production=True)
    assert refused.value.code == "whole_organisation"


def test_who_manages_knowledge_is_an_owner_or_an_administrator() -> None:
    assert "knowledge.manage" in PERMISSIONS
    may = {role for role in ROLES if "knowledge.manage" in permissions_of((role,))}
    assert may == {"owner", "admin"}


def test_one_hands_on_only_workspaces_that_one_may_use() -> None:
    assert workspaces.check_workspaces(OWNER, ["team_a", "team_a", "x"]) == ("team_a", "x")
    assert workspaces.check_workspaces(OWNER, ["x", "*"]) == ("*",)
    for refused in (["default"], ["*"]):
        with pytest.raises(Forbidden):
            workspaces.check_workspaces(OF_TWO, refused)
    for refused in ([], ["a b"], [f"w{number}" for number in range(workspaces.MAX_NAMED + 1)]):
        with pytest.raises(InvalidInput):
            workspaces.check_workspaces(OWNER, refused)
