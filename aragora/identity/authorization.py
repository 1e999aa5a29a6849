"""Whether a principal may: what grants and denies, over the tables of `rbac`. Pure; what is not granted is denied.

A principal can only hand on rights that it has itself.
"""

from __future__ import annotations

from collections.abc import Iterable

from aragora.errors import Forbidden, InvalidInput
from aragora.identity.principal import Principal
from aragora.identity.rbac import ROLES, SYSTEM_ADMIN, Policy, PolicyKind, permissions_of


def authorize(policy: Policy, principal: Principal, *, production: bool) -> None:
    """Return where the principal passes the policy; what is public, or for every user, passes all. Raises Forbidden."""
    if policy.kind is PolicyKind.ADMIN:
        if SYSTEM_ADMIN not in principal.permissions:
            raise Forbidden("This needs the role admin.")
        enforce_admin_mfa_policy(principal, production=production)
    if policy.kind is PolicyKind.PERMISSION and policy.permission not in principal.permissions:
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
