"""The simplest authenticator: the local operator in development on loopback, and the one ARAGORA_API_TOKEN.

The local operator needs no login only where nobody else can be calling: development, no token configured, the
server bound to loopback, the connection from loopback, and no proxy telling of a caller from elsewhere.
"""

from __future__ import annotations

import hmac
from functools import lru_cache
from ipaddress import ip_address
from typing import Final

from aragora.errors import Forbidden, Unauthenticated
from aragora.server.ports import CallerFacts, Principal, ServerConfig

LOCAL_OPERATOR: Final = Principal(
    user_id="local",
    org_id="local",
    roles=frozenset({"owner", "admin"}),
    permissions=frozenset({"*"}),
    every_org=True,
)
TOKEN_HOLDER: Final = Principal(
    user_id="api-token",
    org_id="local",
    roles=frozenset({"owner", "admin"}),
    permissions=frozenset({"*"}),
    every_org=True,
)

_BEARER: Final = "bearer "


class SimpleAuthenticator:
    """Authenticator of one operator and one token."""

    def __init__(self, config: ServerConfig) -> None:
        self._config = config

    async def authenticate(self, facts: CallerFacts) -> Principal:
        """The local operator or the holder of the token. Raises Unauthenticated."""
        shown = bearer_token(facts)
        expected = self._config.api_token
        if expected and shown and hmac.compare_digest(shown.encode(), expected.encode()):
            return TOKEN_HOLDER
        if shown is None and is_local_operator(facts, self._config):
            return LOCAL_OPERATOR
        raise Unauthenticated("Show who you are: send the header 'Authorization: Bearer TOKEN' with a valid token.")

    async def authorize(self, principal: Principal, policy: str, handler: str) -> None:
        """Raises Forbidden unless the principal's roles or permissions cover the policy."""
        if not covers(principal, policy):
            raise Forbidden(f"{handler} needs '{policy}', which {principal.user_id} does not have.")


def covers(principal: Principal, policy: str) -> bool:
    """Whether roles and permissions of `principal` satisfy `policy` (`user`, `admin` or a permission)."""
    if policy == "user":
        return True
    if policy == "admin":
        return "admin" in principal.roles or "owner" in principal.roles
    return policy in principal.permissions or "*" in principal.permissions


def bearer_token(facts: CallerFacts) -> str | None:
    """The bearer token of the request, or of a WebSocket handshake's query; None where none is shown."""
    authorization = facts.header("authorization")
    if authorization is None:
        return facts.token
    if authorization[: len(_BEARER)].lower() == _BEARER:
        return authorization[len(_BEARER) :].strip()
    return ""


def is_local_operator(facts: CallerFacts, config: ServerConfig) -> bool:
    """Whether only a process of this machine's own user could have sent this."""
    return (
        config.environment == "development"
        and not config.api_token
        and is_loopback(config.bind_host)
        and (facts.peer is None or is_loopback(facts.peer))
        and all(is_loopback(hop.strip()) for hop in (facts.header("x-forwarded-for") or "localhost").split(","))
    )


@lru_cache(maxsize=1024)
def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine."""
    bare = host.strip("[]").lower()
    if bare == "localhost" or bare.endswith(".localhost"):
        return True
    try:
        return ip_address(bare).is_loopback
    except ValueError:
        return False
