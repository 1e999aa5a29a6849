"""Who may do what: what is not granted is denied."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from aragora.errors import AragoraError, Forbidden, InvalidInput
from aragora.identity.authorization import (
    CONFIRMED_S,
    authorize,
    check_confirmed,
    check_grant,
    enforce_admin_mfa_policy,
)
from aragora.identity.principal import LOCAL_OPERATOR, Method, Principal
from aragora.identity.rbac import ADMIN, PERMISSIONS, PUBLIC, ROLES, USER, Policy, by_power, permission, permissions_of

CONTRACT = yaml.safe_load((Path(__file__).parents[2] / "contract" / "http.yaml").read_text())


def someone(*roles: str, mfa: bool = False) -> Principal:
    return Principal("usr_1", "org_1", roles, Method.SESSION, mfa=mfa)


def refusal(policy: Policy, principal: Principal, *, production: bool) -> AragoraError | None:
    """What `authorize` raises, or None where it lets the principal pass."""
    try:
        authorize(policy, principal, production=production)
    except AragoraError as problem:
        return problem
    return None


def test_every_policy_of_the_contract_exists() -> None:
    for row in CONTRACT["endpoints"]:
        assert row["auth"] in {PUBLIC.name, USER.name, ADMIN.name} | {permission(name).name for name in PERMISSIONS}


def test_an_unknown_permission_is_a_mistake_in_the_code() -> None:
    with pytest.raises(ValueError, match=r"debates\.destroy"):
        permission("debates.destroy")


@pytest.mark.parametrize("role", ["root", "Admin", "ADMIN", " admin", ""])
def test_an_unknown_role_grants_nothing(role: str) -> None:
    assert permissions_of((role,)) == frozenset()
    assert isinstance(refusal(permission("debates.read"), someone(role), production=False), Forbidden)


@pytest.mark.parametrize("role", list(ROLES))
@pytest.mark.parametrize("name", sorted(PERMISSIONS - {"system.admin"}))
def test_a_role_passes_exactly_what_it_holds(role: str, name: str) -> None:
    allowed = refusal(permission(name), someone(role), production=False) is None
    assert allowed == (name in ROLES[role])


@pytest.mark.parametrize("role", [role for role in ROLES if role != "admin"])
def test_only_admins_run_the_installation(role: str) -> None:
    assert refusal(ADMIN, someone(role, mfa=True), production=False) is not None
    assert refusal(ADMIN, someone("admin"), production=False) is None


def test_without_any_role_only_what_is_public_or_for_every_user_is_open() -> None:
    for policy in (PUBLIC, USER):
        assert refusal(policy, someone(), production=True) is None
    for policy in (ADMIN, permission("debates.read")):
        problem = refusal(policy, someone(), production=True)
        assert problem is not None
        assert problem.status == 403


def test_admins_need_a_second_factor_in_production() -> None:
    problem = refusal(ADMIN, someone("admin"), production=True)
    assert problem is not None
    assert problem.code == "mfa_required"
    assert refusal(ADMIN, someone("admin", mfa=True), production=True) is None
    with pytest.raises(Forbidden):
        enforce_admin_mfa_policy(someone("admin"), production=True)
    enforce_admin_mfa_policy(someone("admin"), production=False)


def test_nobody_hands_on_a_right_it_does_not_have() -> None:
    assert check_grant(someone("owner"), ["member", "viewer", "member"]) == ("member", "viewer")
    with pytest.raises(Forbidden):
        check_grant(someone("owner"), ["admin"])
    with pytest.raises(Forbidden):
        check_grant(someone("member"), ["viewer"])
    with pytest.raises(InvalidInput):
        check_grant(LOCAL_OPERATOR, ["superuser"])
    with pytest.raises(InvalidInput):
        check_grant(LOCAL_OPERATOR, [])
    assert check_grant(LOCAL_OPERATOR, ["admin"]) == ("admin",)


NOW = 1_700_000_000.0


def code_of_change(principal: Principal, *, has_factor: bool = False, now: float = NOW) -> str:
    """The code with which a change of credentials is refused, or "" where it may be."""
    try:
        check_confirmed(principal, now, has_factor=has_factor)
    except Forbidden as refused:
        return refused.code
    return ""


def test_credentials_change_only_where_the_login_lately_showed_who_it_is() -> None:
    fresh = replace(someone("owner"), proved_at=NOW)
    assert code_of_change(fresh) == ""
    assert code_of_change(fresh, now=NOW + CONFIRMED_S - 1) == ""
    assert code_of_change(fresh, now=NOW + CONFIRMED_S) == "confirmation_required"
    assert code_of_change(someone("owner")) == "confirmation_required"


def test_a_password_alone_does_not_confirm_an_account_with_a_factor() -> None:
    fresh = replace(someone("owner"), proved_at=NOW)
    assert code_of_change(fresh, has_factor=True) == "confirmation_required"
    assert code_of_change(replace(fresh, mfa=True), has_factor=True) == ""


@pytest.mark.parametrize("method", [Method.API_KEY, Method.API_TOKEN, Method.SERVICE])
def test_nothing_but_a_login_changes_credentials(method: Method) -> None:
    machine = replace(someone("owner", "admin", mfa=True), method=method, proved_at=NOW)
    assert code_of_change(machine) == "login_required"


def test_who_acts_as_another_changes_no_credentials() -> None:
    assert code_of_change(replace(someone("owner"), proved_at=NOW, impersonator="usr_admin")) == "forbidden"
    assert code_of_change(replace(LOCAL_OPERATOR, impersonator="usr_admin")) == "forbidden"
    assert code_of_change(LOCAL_OPERATOR) == ""


@pytest.mark.parametrize("role", list(ROLES))
def test_a_key_may_no_more_than_its_owner_and_its_scopes(role: str) -> None:
    owner = someone(role)
    for scopes in (("standard",), ("read",), ("debates.create",), ("invented",), ()):
        key = replace(owner, method=Method.API_KEY, scopes=scopes)
        assert key.permissions <= owner.permissions
        assert not key.permissions & {"users.manage", "system.admin"}
    assert replace(owner, scopes=("invented",)).permissions == frozenset()
    assert isinstance(refusal(ADMIN, replace(owner, scopes=("system.admin",)), production=False), Forbidden)


def test_roles_are_ordered_by_what_they_may_do() -> None:
    assert by_power(ROLES) == ("admin", "owner", "member", "service", "viewer")
    assert by_power(("king", "viewer", "owner")) == ("owner", "viewer", "king"), "an unknown role may do nothing"
