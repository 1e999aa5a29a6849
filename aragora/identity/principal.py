"""Who a request acts for, once that has been shown."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from aragora.errors import Forbidden
from aragora.identity.rbac import permissions_of


class Method(StrEnum):
    """How a principal has shown who it is."""

    SESSION = "session"  # access token of a login
    API_KEY = "api_key"
    API_TOKEN = "api_token"  # noqa: S105  ARAGORA_API_TOKEN: the operator's automation
    SERVICE = "service"  # ARAGORA_SERVICE_TOKEN, with or without header identity
    LOCAL = "local"  # the operator on this machine, in development


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller. `roles` are data (aragora.identity.rbac); an unknown role grants nothing.

    Attributes:
        user_id: the user, or the name of a machine credential.
        org_id: the organisation whose data the caller sees.
        mfa: whether this login showed a second factor.
        session_id: the login behind an access token; revoking it ends the principal.
        impersonator: the administrator who acts as `user_id`, or None.
        key_id: the API key used, or None.
        expires_at: seconds since the epoch after which the principal is void, or None.
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

    @property
    def permissions(self) -> frozenset[str]:
        return permissions_of(self.roles)

    @property
    def actor(self) -> str:
        """Who really acts: for the audit log."""
        return self.impersonator or self.user_id


LOCAL_ORG = "local"
LOCAL_OPERATOR = Principal("local", LOCAL_ORG, ("owner", "admin"), Method.LOCAL, mfa=True)


def own(principal: Principal) -> None:
    """Raises Forbidden where someone else acts as the user: credentials are the user's own business."""
    if principal.impersonator is not None:
        raise Forbidden("This cannot be done while acting as another user.")
