"""Who a request acts for, once that has been shown."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from aragora.identity.rbac import WHOLE_ORGANISATION, permissions_of, workspaces_of
from aragora.identity.scopes import permissions_in
from aragora.ids import LOCAL_ORG
from aragora.scope import DEFAULT_WORKSPACE


class Method(StrEnum):
    """How a principal has shown who it is."""

    SESSION = "session"  # access token of a login
    API_KEY = "api_key"
    API_TOKEN = "api_token"  # noqa: S105  ARAGORA_API_TOKEN: the operator's automation
    SERVICE = "service"  # ARAGORA_SERVICE_TOKEN, with or without header identity
    LOCAL = "local"  # the operator on this machine, in development


_EVERY_ORG: Final = frozenset({Method.LOCAL, Method.API_TOKEN})
_EVERY_WORKSPACE: Final = _EVERY_ORG | {Method.SERVICE}


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller. `roles` are data (aragora.identity.rbac); an unknown role grants nothing.

    Attributes:
        user_id: the user, or the name of a machine credential.
        org_id: the organisation that the caller belongs to.
        mfa: whether this login showed a second factor.
        session_id: the login behind an access token; revoking it ends the principal.
        impersonator: the administrator who acts as `user_id`, or None.
        key_id: the API key used, or None.
        expires_at: seconds since the epoch after which the principal is void, or None.
        scopes: what an API key may do of what its roles allow (aragora.identity.scopes); None is all of it.
        proved_at: when this login last showed its password or second factor, in seconds since the epoch, or None.
        login: how this login began (password, oauth, mfa), or None where that is unknown or there is none.
        granted: the workspaces that the account was given by name, or `*` (aragora.scope).
        bound_to: the one workspace to which an API key is held, or None for all of its owner's.
    """

    user_id: str
    org_id: str
    roles: tuple[str, ...]
    method: Method
    mfa: bool = False
    session_id: str | None = None
    impersonator: str | None = None
    key_id: str | None = None
    expires_at: float | None = None
    scopes: tuple[str, ...] | None = None
    proved_at: float | None = None
    granted: tuple[str, ...] = (DEFAULT_WORKSPACE,)
    bound_to: str | None = None
    login: str | None = None

    @property
    def permissions(self) -> frozenset[str]:
        granted = permissions_of(self.roles)
        if self.scopes is not None:
            granted &= permissions_in(self.scopes)
        return granted if self.bound_to is None else granted - WHOLE_ORGANISATION

    @property
    def workspaces(self) -> frozenset[str] | None:
        """Those that it may use; None is every one of its organisation."""
        all_of_account = None if self.method in _EVERY_WORKSPACE else workspaces_of(self.roles, self.granted)
        if self.bound_to is None:
            return all_of_account
        mine = frozenset({self.bound_to})
        return mine if all_of_account is None else mine & all_of_account

    @property
    def every_org(self) -> bool:
        """Whether it sees every organisation: the operator of the installation does, in person or by its token."""
        return self.method in _EVERY_ORG

    @property
    def org_scope(self) -> str | None:
        """The `org_id` to read with; None sees every organisation."""
        return None if self.every_org else self.org_id

    @property
    def actor(self) -> str:
        """Who really acts: for the audit log."""
        return self.impersonator or self.user_id


LOCAL_OPERATOR: Final = Principal("local", LOCAL_ORG, ("owner", "admin"), Method.LOCAL, mfa=True)
