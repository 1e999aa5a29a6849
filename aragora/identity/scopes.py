"""Scopes of API keys: the rights that a key may use, of those that its owner has. Pure.

A scope is the name of a permission or one of `NAMED`. No scope holds a right over people or the installation, or that
to answer in place of others, and no key changes credentials (`authorization.check_person`): a leaked key must not
outlive its revocation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from aragora.errors import InvalidInput
from aragora.identity.rbac import PERMISSIONS, SYSTEM_ADMIN

ADMINISTRATION: Final = frozenset({SYSTEM_ADMIN, "users.manage", "workflows.bypass"})
GRANTABLE: Final = PERMISSIONS - ADMINISTRATION

NAMED: Final[Mapping[str, frozenset[str]]] = {
    "standard": GRANTABLE,
    "read": frozenset(name for name in GRANTABLE if name.endswith(".read")),
    "debates": frozenset({"debates.read", "debates.create"}),
}
DEFAULT: Final = ("standard",)


def checked(scopes: Iterable[str]) -> tuple[str, ...]:
    """The scopes, each once. Raises InvalidInput for none, and for one that no key may have."""
    wanted = tuple(dict.fromkeys(scopes))
    if not wanted:
        raise InvalidInput("Name at least one scope, or leave scopes out.")
    if refused := [scope for scope in wanted if scope in ADMINISTRATION]:
        raise InvalidInput(f"No API key may have {refused[0]}: administration needs a login.")
    if unknown := [scope for scope in wanted if scope not in NAMED and scope not in GRANTABLE]:
        raise InvalidInput(f"Unknown scope {unknown[0]!r}; there are {', '.join([*NAMED, *sorted(GRANTABLE)])}.")
    return wanted


def permissions_in(scopes: Iterable[str]) -> frozenset[str]:
    """All permissions of the scopes; one that is unknown, or no longer granted to keys, has none."""
    return frozenset[str]().union(*(NAMED.get(scope, frozenset({scope}) & GRANTABLE) for scope in scopes))
