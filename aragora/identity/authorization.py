"""Whether a principal may: what grants and denies, over the tables of `rbac`. Pure; what is not granted is denied.

A principal can only hand on rights that it has itself. Credentials (passwords, API keys, second factors, sessions) are
changed by a person alone, in a login that showed its password or second factor within `CONFIRMED_S`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from aragora.errors import Forbidden, InvalidInput
from aragora.identity.principal import Method, Principal
from aragora.identity.rbac import ROLES, SYSTEM_ADMIN, WHOLE_ORGANISATION, Policy, PolicyKind, permissions_of

CONFIRMED_S: Final = 600.0


def authorize(policy: Policy, principal: Principal, *, production: bool) -> None:
    """Return where the principal passes the policy; what is public, or for every user, passes all. Raises Forbidden."""
    if policy.kind is PolicyKind.ADMIN:
        if SYSTEM_ADMIN not in principal.permissions:
            raise Forbidden("This needs the role admin.")
        enforce_admin_mfa_policy(principal, production=production)
    if policy.kind is PolicyKind.PERMISSION and policy.permission not in principal.permissions:
        if principal.bound_to is not None and policy.permission in WHOLE_ORGANISATION:
            raise Forbidden(
                f"{policy.permission} is about the whole organisation, and this API key is held to one workspace: use"
                " a key without a workspace, or a login.",
                code="whole_organisation",
            )
        raise Forbidden(f"This needs the permission {policy.permission}; ask an owner or admin for a role that has it.")


def enforce_admin_mfa_policy(principal: Principal, *, production: bool) -> None:
    """SOC 2 CC5-01: in production an administrator shows a second factor in this very login.

    Raises Forbidden (code mfa_required).
    """
    if production and not principal.mfa:
        if principal.session_id is None:
            raise Forbidden(
                "Administration in production needs a login with a second factor, which a token or key cannot show: make"
                " an administrator with `aragora users create EMAIL --role owner --role admin`, log in as that one and"
                " enrol at /api/auth/mfa/enroll.",
                code="mfa_required",
            )
        raise Forbidden(
            "Administrators need a second factor in production: enrol at /api/auth/mfa/enroll and log in again.",
            code="mfa_required",
        )


def check_grant(granter: Principal, roles: Iterable[str]) -> tuple[str, ...]:
    """The roles, each once, if the granter may hand them on. Raises InvalidInput or Forbidden."""
    wanted = tuple(dict.fromkeys(roles))
    if unknown := [role for role in wanted if role not in ROLES]:
        raise InvalidInput(f"Unknown role {unknown[0]!r}; there are {', '.join(ROLES)}.")
    if not wanted:
        raise InvalidInput("Name at least one role.")
    if "users.manage" not in granter.permissions or not permissions_of(wanted) <= granter.permissions:
        raise Forbidden("You can only hand on rights that you have yourself.")
    return wanted


def own(principal: Principal) -> None:
    """Raises Forbidden where an administrator acts as the user: credentials are the user's own business."""
    if principal.impersonator is not None:
        raise Forbidden("This cannot be done while acting as another user.")


def check_person(principal: Principal) -> None:
    """Raises Forbidden unless a person acts for itself: nobody else sees or changes its credentials. A person is a
    login, or the local operator, who needs none."""
    own(principal)
    if principal.method not in (Method.SESSION, Method.LOCAL):
        raise Forbidden(
            "Credentials are changed in a login, not with an API key or a service's token: "
            "log in at POST /api/auth/login.",
            code="login_required",
        )


def check_confirmed(principal: Principal, now: float, *, has_factor: bool) -> None:
    """Raises Forbidden unless the principal may change its credentials now: as `check_person`, and with code
    confirmation_required where the login has not lately shown who it is.

    `has_factor`: whether the account has a second factor in force; then a password alone shows too little.
    """
    check_person(principal)
    if principal.method is Method.LOCAL:
        return
    lately = principal.proved_at is not None and now - principal.proved_at < CONFIRMED_S
    if lately and (principal.mfa or not has_factor):
        return
    what = '{"code": ...} of the second factor' if has_factor else '{"password": ...}'
    raise Forbidden(
        f"Confirm first that it is you: POST /api/auth/confirm with {what}, then send this again. "
        f"A confirmation, or a login, holds for {CONFIRMED_S / 60:.0f} minutes.",
        code="confirmation_required",
    )
