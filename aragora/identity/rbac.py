"""Roles, permissions and policies: the tables that `authorization` reads. Pure data; what is not granted is denied.

`owner` has every right in its own organisation; `admin` runs the installation: only it passes the `admin` policy.
A policy is a value: a route that names one that does not exist fails when it is imported.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

from aragora.scope import EVERY_WORKSPACE

SYSTEM_ADMIN: Final = "system.admin"

_READ = frozenset({"debates.read", "workflows.read", "knowledge.read", "tasks.read"})
_WORK = frozenset({"debates.create", "workflows.execute", "knowledge.write", "tasks.write"})
_SHAPE = frozenset({"workflows.create", "workflows.update"})
_MANAGE = frozenset(
    {
        "workflows.delete",
        "workflows.approve",
        "workflows.bypass",  # answer an approval in place of those that it asks
        "knowledge.manage",  # forget, share, approve
        "webhooks.manage",
        "integrations.manage",
        "users.manage",
    }
)

PERMISSIONS: Final = _READ | _WORK | _SHAPE | _MANAGE | {SYSTEM_ADMIN}
WHOLE_ORGANISATION: Final = frozenset({"webhooks.manage", "integrations.manage", "users.manage", SYSTEM_ADMIN})
"""Rights over what belongs to no one workspace: who is held to one has none of them."""

ROLES: Final[Mapping[str, frozenset[str]]] = {
    "owner": _READ | _WORK | _SHAPE | _MANAGE,
    "admin": PERMISSIONS,
    "member": _READ | _WORK | _SHAPE,
    "viewer": _READ,
    "service": _READ | _WORK,
}


_OF_EVERY_WORKSPACE: Final = frozenset({"owner", "admin"})


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


def permission(name: str) -> Policy:
    """The policy that demands the permission `name`. Raises ValueError for a name that no role knows."""
    if name not in PERMISSIONS:
        raise ValueError(f"no such permission: {name}")
    return Policy(PolicyKind.PERMISSION, name)


PUBLIC: Final = Policy(PolicyKind.PUBLIC)
USER: Final = Policy(PolicyKind.USER)  # anyone who has shown who they are
ADMIN: Final = Policy(PolicyKind.ADMIN)
DEBATES_READ: Final = permission("debates.read")
DEBATES_CREATE: Final = permission("debates.create")
INTEGRATIONS_MANAGE: Final = permission("integrations.manage")
WEBHOOKS_MANAGE: Final = permission("webhooks.manage")
USERS_MANAGE: Final = permission("users.manage")
KNOWLEDGE_READ: Final = permission("knowledge.read")
KNOWLEDGE_WRITE: Final = permission("knowledge.write")
WORKFLOWS_READ: Final = permission("workflows.read")
WORKFLOWS_EXECUTE: Final = permission("workflows.execute")
WORKFLOWS_APPROVE: Final = permission("workflows.approve")
WORKFLOWS_BYPASS: Final = permission("workflows.bypass")
TASKS_READ: Final = permission("tasks.read")
TASKS_WRITE: Final = permission("tasks.write")
KNOWLEDGE_MANAGE: Final = permission("knowledge.manage")
WORKFLOWS_CREATE: Final = permission("workflows.create")
WORKFLOWS_UPDATE: Final = permission("workflows.update")
WORKFLOWS_DELETE: Final = permission("workflows.delete")


def permissions_of(roles: Iterable[str]) -> frozenset[str]:
    """All permissions of the roles; an unknown role has none."""
    return _permissions_of(frozenset(roles))


def workspaces_of(roles: Iterable[str], granted: Iterable[str]) -> frozenset[str] | None:
    """The workspaces that an account with these roles may use, of those granted to it by name; None is every one of its
    organisation."""
    names = frozenset(granted)
    return None if EVERY_WORKSPACE in names or _OF_EVERY_WORKSPACE.intersection(roles) else names


def by_power(roles: Iterable[str]) -> tuple[str, ...]:
    """The roles, those that may do most first, of equal ones by name."""
    return tuple(sorted(roles, key=lambda role: (-len(permissions_of((role,))), role)))


@lru_cache(maxsize=256)  # every request asks, and there are few sets of roles
def _permissions_of(roles: frozenset[str]) -> frozenset[str]:
    return frozenset[str]().union(*(ROLES.get(role, frozenset()) for role in roles))
