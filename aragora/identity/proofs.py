"""What a request shows of its sender: the order in which proofs count, and when identity headers do. Pure.

1. `Authorization: Bearer` is decisive: a token that does not hold is a 401, whatever else the request carries.
2. X-User-ID, X-Org-ID and X-User-Roles count from a caller that proved to be a service (ARAGORA_SERVICE_TOKEN), which
   may name the roles of ARAGORA_SERVICE_ROLES, and from the machine itself in development. From any other caller they
   are a 401: ignoring them would hide the attack.
3. Nothing at all: the local operator in development on loopback, otherwise an unknown caller.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from aragora.errors import Forbidden, InvalidInput, Unauthenticated
from aragora.identity.api_keys import PREFIX
from aragora.identity.client_address import is_loopback
from aragora.identity.origins import host_is_local
from aragora.identity.principal import LOCAL_OPERATOR, Method, Principal
from aragora.ids import LOCAL_ORG

IDENTITY_HEADERS: Final = ("x-user-id", "x-org-id", "x-user-roles")
FORWARDING_HEADERS: Final = ("x-forwarded-for", "x-real-ip")
SERVICE_HEADER: Final = "x-service-token"
_API_TOKEN: Final = Principal("api-token", LOCAL_ORG, ("owner", "admin"), Method.API_TOKEN)
_NAME = re.compile(r"[A-Za-z0-9._:@-]{1,128}")


class Proof(StrEnum):
    """What the bearer text is, by its form."""

    NONE = "none"
    API_TOKEN = "api_token"  # noqa: S105
    SERVICE_TOKEN = "service_token"  # noqa: S105
    API_KEY = "api_key"
    ACCESS_TOKEN = "access_token"  # noqa: S105


@dataclass(frozen=True, slots=True)
class IdentityRules:
    """What the settings say. `local_operator`: development, bound to loopback, and no secret that turns login on.
    `service_roles`: those that a service may name."""

    production: bool
    local_operator: bool
    api_token: str | None = field(default=None, repr=False)
    service_token: str | None = field(default=None, repr=False)
    service_roles: tuple[str, ...] = ("member", "viewer", "service")

    @property
    def known_without_account(self) -> frozenset[str]:
        """The ids of callers that have no account, and act in every organisation."""
        known = {LOCAL_OPERATOR: self.local_operator, _API_TOKEN: bool(self.api_token)}
        return frozenset(principal.user_id for principal, there in known.items() if there)

    def is_local(self, address: str, headers: Mapping[str, str]) -> bool:
        """Whether the caller is this machine's own operator: loopback, by a local name, and through no proxy that
        names another sender (a proxy on this machine also connects from loopback)."""
        forwarded = [hop for name in FORWARDING_HEADERS for hop in headers.get(name, "").split(",") if hop.strip()]
        return (
            self.local_operator
            and is_loopback(address)
            and "forwarded" not in headers
            and all(is_loopback(hop) for hop in forwarded)
            and host_is_local(headers.get("host"))
        )


def bearer_of(headers: Mapping[str, str]) -> str | None:
    """The text after `Bearer`, or None. Raises Unauthenticated for another scheme or an empty text."""
    value = headers.get("authorization")
    if value is None:
        return None
    scheme, _, text = value.strip().partition(" ")
    if scheme.lower() != "bearer" or not text.strip():
        raise Unauthenticated("Send Authorization: Bearer followed by an access token or API key.")
    return text.strip()


def proof_of(rules: IdentityRules, bearer: str | None) -> Proof:
    """What a bearer text claims to be; the two fixed tokens are compared in constant time."""
    if bearer is None:
        return Proof.NONE
    if same_secret(bearer, rules.api_token):
        return Proof.API_TOKEN
    if same_secret(bearer, rules.service_token):
        return Proof.SERVICE_TOKEN
    return Proof.API_KEY if bearer.startswith(PREFIX) else Proof.ACCESS_TOKEN


def same_secret(given: str | None, secret: str | None) -> bool:
    """Whether both are there and equal, in time that does not depend on where they differ."""
    return bool(given) and bool(secret) and hmac.compare_digest((given or "").encode(), (secret or "").encode())


def principal_without_session(
    rules: IdentityRules, proof: Proof, headers: Mapping[str, str], *, address: str
) -> Principal | None:
    """The principal where no session or key has to be looked up; None is an unknown caller.

    Args:
        rules: what the settings say.
        proof: what the bearer text turned out to be (`proof_of`).
        headers: the request's headers, names in lower case.
        address: the client's address (aragora.identity.client_address).

    Raises:
        Unauthenticated: identity headers from a caller that proved nothing.
        InvalidInput: identity headers that are incomplete or malformed.
        Forbidden: a service names a role that it may not.
    """
    local = rules.is_local(address, headers)
    service = proof is Proof.SERVICE_TOKEN or same_secret(headers.get(SERVICE_HEADER), rules.service_token)
    if any(name in headers for name in IDENTITY_HEADERS):
        if not (service or (local and proof is Proof.NONE)):
            raise Unauthenticated(
                "X-User-ID, X-Org-ID and X-User-Roles count only with ARAGORA_SERVICE_TOKEN as the bearer token.",
                code="unproven_identity",
            )
        named = _named_in(headers)
        if service:
            _check_service_roles(rules, named.roles)
        return named
    if proof is Proof.API_TOKEN:
        return _API_TOKEN
    if service:
        return Principal("service", LOCAL_ORG, ("service",), Method.SERVICE)
    return LOCAL_OPERATOR if local else None


def _check_service_roles(rules: IdentityRules, roles: tuple[str, ...]) -> None:
    if refused := [role for role in roles if role not in rules.service_roles]:
        raise Forbidden(
            f"A service may not name the role {refused[0]!r}, only those of ARAGORA_SERVICE_ROLES: "
            f"{', '.join(rules.service_roles)}."
        )


def _named_in(headers: Mapping[str, str]) -> Principal:
    user_id, org_id = headers.get("x-user-id", ""), headers.get("x-org-id", "")
    if not _NAME.fullmatch(user_id) or not _NAME.fullmatch(org_id):
        raise InvalidInput("X-User-ID and X-Org-ID are both needed, of letters, digits and . _ : @ -.")
    roles = tuple(role.strip() for role in headers.get("x-user-roles", "").split(",") if role.strip())
    return Principal(user_id, org_id, roles, Method.SERVICE)
