"""Who could write what a debate asks of a person by name: so that nobody is waited for who can never come."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from aragora.errors import InvalidInput
from aragora.identity.proofs import IdentityRules
from aragora.identity.rbac import DEBATES_CREATE, permissions_of, workspaces_of
from aragora.identity.store.users import Standing


class Standings(Protocol):
    """The part of `UserStore` that is needed here."""

    async def standings_among(self, user_ids: Collection[str]) -> Mapping[str, Standing]:
        """What each of these accounts may do now, without those that are not there. Raises Unavailable."""
        ...


class Writers:
    """The people who may write in debates. A service that holds ARAGORA_SERVICE_TOKEN may name people whom this server
    does not know: with one, an id without an account may be somebody all the same."""

    def __init__(self, standings: Standings, rules: IdentityRules) -> None:
        self._standings = standings
        self._rules = rules

    async def check(self, user_ids: Sequence[str], org_id: str, workspace: str) -> None:
        """Raise InvalidInput where one of these ids is nobody who may write in the debates of this workspace, and
        Unavailable where the store does not answer."""
        asked = [user_id for user_id in user_ids if user_id not in self._rules.known_without_account]
        standings = await self._standings.standings_among(asked) if asked else {}
        for user_id in asked:
            standing = standings.get(user_id)
            if standing is None or standing.org_id != org_id:  # one text: nobody learns whom another organisation has
                self._check_unknown(user_id)
            elif standing.disabled:
                raise InvalidInput(f"user:{user_id} could never sign: the account is disabled. Name somebody else.")
            elif DEBATES_CREATE.permission not in permissions_of(standing.roles):
                raise InvalidInput(
                    f"user:{user_id} could never sign: the account may not write ({', '.join(standing.roles) or 'no role'})"
                    ". Give it a role that may, or name somebody else."
                )

            elif (reach := workspaces_of(standing.roles, standing.workspaces)) is not None and workspace not in reach:
                raise InvalidInput(
                    f"user:{user_id} could never sign: the account may not use the workspace {workspace}. Give it that"
                    " workspace, or name somebody else."
                )

    def _check_unknown(self, user_id: str) -> None:
        if self._rules.service_token:
            return
        others = "".join(f"user:{user_id}, " for user_id in sorted(self._rules.known_without_account))
        raise InvalidInput(
            f"user:{user_id} could never sign: your organisation has no account with this id. Name one of its accounts "
            f"(GET /api/auth/me tells everybody the own id), {others}or a role (role:NAME)."
        )
