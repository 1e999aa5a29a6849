"""Whether somebody may still do what goes on in their name: asked by their id, long after their request has ended.

What counts is the account: that it is there, not disabled, has a role with the permission, and may use the workspace.
How somebody had logged in counts no more: a session that ended or an API key that was revoked stops nothing. A service
that holds ARAGORA_SERVICE_TOKEN may act for people whom this server does not know; what these may do now, only the
service knows.
"""

from __future__ import annotations

from collections.abc import Collection

from aragora.errors import Forbidden
from aragora.identity.proofs import IdentityRules
from aragora.identity.rbac import permissions_of, workspaces_of
from aragora.identity.store.users import Standing
from aragora.identity.writers import Standings


class Acting:
    """See the head of this file."""

    def __init__(self, standings: Standings, rules: IdentityRules) -> None:
        self._standings = standings
        self._rules = rules

    async def check(self, user_id: str, org_id: str, workspace: str, needed: Collection[str]) -> None:
        """Raise Forbidden, with the reason, where this person may not do now what takes the permissions `needed` in
        this workspace, and Unavailable where the store does not answer."""
        if user_id in self._rules.known_without_account:
            return
        standing = (await self._standings.standings_among([user_id])).get(user_id)
        if standing is None and self._rules.service_token:
            return
        reason = _refusal(standing, org_id, workspace, needed)
        if reason:
            raise Forbidden(f"{user_id}, in whose name this goes on, may not do it any more: {reason}.")


def _refusal(standing: Standing | None, org_id: str, workspace: str, needed: Collection[str]) -> str:
    """Why not; empty where nothing stands against it."""
    if standing is None or standing.org_id != org_id:
        return "the organisation has no such account"
    if standing.disabled:
        return "the account is disabled"
    missing = sorted(set(needed) - permissions_of(standing.roles))
    if missing:
        return f"the account lacks {', '.join(missing)}"
    reach = workspaces_of(standing.roles, standing.workspaces)
    return "" if reach is None or workspace in reach else f"the account may not use the workspace {workspace}"
