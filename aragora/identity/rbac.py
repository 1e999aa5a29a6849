"""Roles, permissions and the one rule that grants or denies. Pure; everything not granted here is denied.

`owner` has every right in its own organisation; `admin` runs the installation: only it passes the `admin` policy.
Nobody can hand on a right that it does not have itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from aragora.errors import AragoraError, Forbidden, InvalidInput, Unauthenticated

if TYPE_CHECKING:
    from aragora.identity.principal import Principal

SYSTEM_ADMIN: Final = "system.admin"

_READ = frozenset({"debates.read", "workflows.read", "knowledge.read", "tasks.read"})
_WORK = frozenset({"debates.create", "workflows.execute", "knowledge.write", "tasks.write"})
_SHAPE = frozenset({"workflows.create", "workflows.update"})
_MANAGE = frozenset({"workflows.delete", "workflows.approve", "webhooks.manage", "integrations.manage", "users.manage"})

PERMISSIONS: Final = _READ | _WORK | _SHAPE | _MANAGE | {SYSTEM_ADMIN}

ROLES: Final[Mapping[str, frozenset[str]]] = {
    "owner": _READ | _WORK | _SHAPE | _MANAGE,
    "admin": PERMISSIONS,
    "member": _READ | _WORK | _SHAPE,
    "viewer": _READ,
    "service": _READ | _WORK,
}


class PolicyKind(StrEnum):
    PUBLIC = "public"
    USER = "user"
    ADMIN = "admin"
    PERMISSION = "permission"


@dataclass(frozen=True, slots=True)
class Policy:
    """What a route demands of its caller."""

    kind: PolicyKind
    permission: str | None = None

    @property
    def name(self) -> str:
        """As contract/http.yaml writes it, and as the metrics label it."""
        return self.permission or self.kind.value


PUBLIC: Final = Policy(PolicyKind.PUBLIC)
USER: Final = Policy(PolicyKind.USER)
ADMIN: Final = Policy(PolicyKind.ADMIN)


def permission(name: str) -> Policy:
    """The policy that demands the permission `name`; a name that no role knows is a mistake in the code."""
    if name not in PERMISSIONS:
        raise ValueError(f"no such permission: {name}")
    return Policy(PolicyKind.PERMISSION, name)


def policy_named(name: str) -> Policy:
    """The policy that a row of contract/http.yaml names: public, user, admin or a permission."""
    fixed = {"public": PUBLIC, "user": USER, "admin": ADMIN}
    return fixed.get(name) or permission(name)


def permissions_of(roles: Iterable[str]) -> frozenset[str]:
    """All permissions of the roles; an unknown role has none."""
    return _permissions_of(frozenset(roles))


@lru_cache(maxsize=256)  # every request asks, and there are few sets of roles
def _permissions_of(roles: frozenset[str]) -> frozenset[str]:
    return frozenset[str]().union(*(ROLES.get(role, frozenset()) for role in roles))


def refusal(policy: Policy, principal: Principal | None, *, production: bool) -> AragoraError | None:
    """Why the principal (None: nobody) may not pass the policy, or None where it may."""
    if policy.kind is PolicyKind.PUBLIC:
        return None
    if principal is None:
        return Unauthenticated("Say who you are: send Authorization: Bearer with an access token or API key.")
    if policy.kind is PolicyKind.ADMIN:
        return _admin_refusal(principal, production=production)
    if policy.kind is PolicyKind.PERMISSION and policy.permission not in principal.permissions:
        return Forbidden(
            f"This needs the permission {policy.permission}; ask an owner or admin for a role that has it."
        )
    return None


def _admin_refusal(principal: Principal, *, production: bool) -> AragoraError | None:
    if SYSTEM_ADMIN not in principal.permissions:
        return Forbidden("This needs the role admin.")
    return admin_mfa_refusal(principal, production=production)


def admin_mfa_refusal(principal: Principal, *, production: bool) -> Forbidden | None:
    """SOC 2 CC5-01: in production an administrator shows a second factor in this very login."""
    if production and not principal.mfa:
        return Forbidden(
            "Administrators need a second factor in production: enrol at /api/auth/mfa/enroll and log in again.",
            code="mfa_required",
        )
    return None


def enforce_admin_mfa_policy(principal: Principal, *, production: bool) -> None:
    """Raises Forbidden (code mfa_required) where an administrator acts in production without a second factor."""
    if problem := admin_mfa_refusal(principal, production=production):
        raise problem


def check_grant(granter: Principal, roles: Iterable[str]) -> tuple[str, ...]:
    """The roles, once it is sure that the granter may hand them on. Raises InvalidInput or Forbidden."""
    wanted = tuple(dict.fromkeys(roles))
    if unknown := [role for role in wanted if role not in ROLES]:
        raise InvalidInput(f"Unknown role {unknown[0]!r}; there are {', '.join(ROLES)}.")
    if not wanted:
        raise InvalidInput("Name at least one role.")
    if "users.manage" not in granter.permissions or not permissions_of(wanted) <= granter.permissions:
        raise Forbidden("You can only hand on rights that you have yourself.")
    return wanted
