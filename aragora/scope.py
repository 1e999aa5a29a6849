"""Where something belongs, and what a caller may see: one organisation and some of its workspaces. Pure.

A workspace is a name within an organisation, compared exactly: there is no nesting, no prefix and no pattern. What
names none is in `DEFAULT_WORKSPACE`. A `Scope` says which of all things a reader may have; whoever reads for a caller
is given one, and there is no default that means everything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from aragora.errors import InvalidInput

DEFAULT_WORKSPACE: Final = "default"
EVERY_WORKSPACE: Final = "*"
"""In place of a name: every workspace that the caller may use. No workspace can have this name."""
WORKSPACE_PATTERN: Final = "^[A-Za-z0-9._-]{1,64}$"

_NAME: Final = re.compile(WORKSPACE_PATTERN.removeprefix("^").removesuffix("$"))


@dataclass(frozen=True, slots=True)
class Scope:
    """What a reader may have. `org_id` None is every organisation, `workspaces` None every workspace of it; an empty
    set is nothing at all."""

    org_id: str | None
    workspaces: frozenset[str] | None

    def holds(self, org_id: str, workspace: str) -> bool:
        """Whether what belongs to this organisation and workspace is within the scope."""
        return (self.org_id is None or self.org_id == org_id) and (
            self.workspaces is None or workspace in self.workspaces
        )


EVERYTHING: Final = Scope(None, None)
"""For the server's own work, which answers no caller: following a debate, telling webhooks, recovery."""


def checked_workspace(name: str) -> str:
    """The name as it is. Raises InvalidInput (code invalid_workspace) where it is none."""
    if _NAME.fullmatch(name) is None:
        raise InvalidInput(
            "A workspace's name has 1 to 64 letters, digits, dots, underscores and hyphens (A-Z a-z 0-9 . _ -).",
            code="invalid_workspace",
        )
    return name
