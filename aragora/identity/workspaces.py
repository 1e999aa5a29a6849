"""Which workspaces a caller means and may use: from a principal and what its request names to a `Scope`. Pure.

- What names one thing by its id is looked for in all that the caller may use (`reach_of`).
- A list, an export, a search and what is newly made are in one workspace (`of`, `chosen`): the one that is named; else
  the one of the caller's API key; else its only one; else `default`. `*` is all that the caller may use, and must be
  said: a request that names nothing never means everything.
- A workspace that the caller may not use is refused alike whether it exists or not.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from aragora.errors import Forbidden, InvalidInput
from aragora.identity.principal import Principal
from aragora.scope import DEFAULT_WORKSPACE, EVERY_WORKSPACE, Scope, checked_workspace

MAX_NAMED: Final = 100
"""Workspaces that one account may be given by name; `*` stands for all."""


def reach_of(principal: Principal) -> Scope:
    """All that the principal may see."""
    return Scope(principal.org_scope, principal.workspaces)


def of(principal: Principal, wanted: str | None = None) -> Scope:
    """What a list, an export or a search of the principal covers: the workspace `wanted`, or the usual one.

    Raises InvalidInput for what is no name (code invalid_workspace) or where one must be named (code
    workspace_needed), Forbidden (code foreign_workspace) for one that the principal may not use.
    """
    if wanted == EVERY_WORKSPACE:
        return reach_of(principal)
    return Scope(principal.org_scope, frozenset({chosen(principal, wanted)}))


def chosen(principal: Principal, wanted: str | None = None) -> str:
    """The one workspace in which the principal makes something: `wanted`, or the usual one. Raises as `of`."""
    name = _usual(principal) if wanted is None else checked_workspace(wanted)
    if principal.workspaces is not None and name not in principal.workspaces:
        raise Forbidden(
            f"You may not use a workspace {name!r}: GET /api/workspaces lists those that you may.",
            code="foreign_workspace",
        )
    return name


def checked_names(names: Iterable[str]) -> tuple[str, ...]:
    """The workspaces that an account is to have, each once; `*` alone stands for all. Raises InvalidInput."""
    wanted = tuple(dict.fromkeys(names))
    if not wanted:
        raise InvalidInput(f"Name at least one workspace, or {EVERY_WORKSPACE} for all of the organisation.")
    if len(wanted) > MAX_NAMED:
        raise InvalidInput(f"{len(wanted)} workspaces are too many: name {MAX_NAMED} at most, or {EVERY_WORKSPACE}.")
    if EVERY_WORKSPACE in wanted:
        return (EVERY_WORKSPACE,)
    return tuple(checked_workspace(name) for name in wanted)


def check_workspaces(granter: Principal, names: Iterable[str]) -> tuple[str, ...]:
    """The workspaces, each once, if the granter may hand them on. Raises InvalidInput, Forbidden."""
    wanted = checked_names(names)
    reach = granter.workspaces
    if reach is not None and not reach.issuperset(wanted):
        raise Forbidden("You can only hand on workspaces that you may use yourself.")
    return wanted


def _usual(principal: Principal) -> str:
    if principal.bound_to is not None:
        return principal.bound_to
    reach = principal.workspaces
    if reach is None or DEFAULT_WORKSPACE in reach:
        return DEFAULT_WORKSPACE
    if len(reach) == 1:
        return next(iter(reach))
    raise InvalidInput(
        f"Name a workspace, of those that you may use: {', '.join(sorted(reach))}.", code="workspace_needed"
    )
