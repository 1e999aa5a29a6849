"""Who calls and whether it may: what a request carries goes in, a proven principal or a refusal comes out.

The rules are those of `aragora.identity`; here they meet the facts of an ASGI scope, and are counted.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from starlette.types import Scope

from aragora.errors import Forbidden, RateLimited, Unauthenticated
from aragora.identity.authentication import Authentication
from aragora.identity.authorization import authorize
from aragora.identity.client_address import Origin, Trust, is_loopback, origin_of, rate_limit_scope
from aragora.identity.parts import Visit
from aragora.identity.principal import Method, Principal
from aragora.identity.rate_limits import PER_PRINCIPAL, RateLimits
from aragora.identity.rbac import Policy
from aragora.observability.registry import Registry

_TICKETS_ONLY: Final = (
    "Tokens and API keys are not accepted in an address, which proxies log. Get a one-time ticket from "
    "POST /api/auth/ws-ticket and connect with ?ticket=TICKET, or send the header 'Authorization: Bearer TOKEN'."
)


@dataclass(frozen=True, slots=True)
class CallerFacts:
    """What a request or a WebSocket handshake tells of its sender; nothing here is proven.

    `peer` is the address of the connection (the proxy's, where there is one), None for an in-process caller.
    `ticket` and `token` are the query parameters of a browser's WebSocket handshake, and only of that. In production a
    `token` there is taken as a ticket.
    """

    peer: str | None
    raw_headers: Sequence[tuple[bytes, bytes]] = field(repr=False, default=())
    ticket: str | None = field(repr=False, default=None)
    token: str | None = field(repr=False, default=None)

    def headers(self) -> dict[str, str]:
        """The headers by lower-case name; of one that is repeated, all values, joined as RFC 9110 (5.3) joins them.

        A second Authorization or identity header therefore changes the first, and neither then holds.
        """
        found: dict[str, str] = {}
        for raw_name, raw_value in self.raw_headers:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            found[name] = f"{found[name]}, {value}" if name in found else value
        return found


@dataclass(frozen=True, slots=True)
class Caller:
    """Who holds something open: the proven principal, what a limit by address counts (None: this one is spared), and
    the address that it came from, for the audit log."""

    principal: Principal
    address: str | None
    came_from: str = ""


class TrustedHops(Protocol):
    """Whose word about the address of a client counts."""

    @property
    def trust(self) -> Trust:
        """As it stands now: the same object until it changes."""
        ...

    async def look_again(self) -> None:
        """Somebody who is not trusted told of a client: it may be the proxy of a node that has just joined. Looks who
        is trusted, unless that was done a moment ago, and returns within some milliseconds. Raises nothing."""
        ...


class FixedHops:
    """Fulfils `TrustedHops` where nobody joins."""

    def __init__(self, trust: Trust) -> None:
        self.trust = trust

    async def look_again(self) -> None:
        """There is nothing to see."""


def facts_of(scope: Scope) -> CallerFacts:
    """What an ASGI scope tells of its sender."""
    client = scope.get("client")
    return CallerFacts(client[0] if client else None, scope["headers"])


class Authenticator:
    """The one authenticator of the server: sessions, API keys, fixed tokens, identity headers, tickets, the local
    operator."""

    def __init__(
        self,
        authentication: Authentication,
        limits: RateLimits,
        registry: Registry,
        hops: TrustedHops,
        *,
        production: bool,
    ) -> None:
        self._authentication = authentication
        self._limits = limits
        self._registry = registry
        self._hops = hops
        self._production = production

    async def authenticate(self, facts: CallerFacts) -> Principal:
        """The caller. Raises Unauthenticated for an unknown one and for proofs that do not hold, RateLimited,
        Unavailable."""
        principal = await self.recognise(facts)
        if principal is None:
            raise Unauthenticated(
                "Show who you are: send the header 'Authorization: Bearer TOKEN' with an access token or API key."
            )
        await self.count(principal)
        return principal

    async def count(self, principal: Principal) -> None:
        """Count one request, or one command over a WebSocket, of this caller. Raises RateLimited."""
        if principal.method is not Method.LOCAL:
            verdict = await self._limits.hit(PER_PRINCIPAL, principal.key_id or principal.user_id)
            if not verdict.allowed:
                raise RateLimited("Too many requests; wait and try again.", retry_after_s=max(1.0, verdict.reset_s))

    async def recognise(self, facts: CallerFacts) -> Principal | None:
        """The caller, or None for an unknown one: for public routes. Raises as `authenticate`."""
        if self._production and facts.token is not None:
            return await self._by_ticket_alone(facts, facts.token)
        return await self._principal(facts)

    def caller(self, principal: Principal, facts: CallerFacts) -> Caller:
        """For limits of what is held open. A development server does not limit its own machine."""
        address = self.address(facts)
        spared = not self._production and is_loopback(address)
        return Caller(principal, None if spared else rate_limit_scope(address), address)

    def authorize(self, principal: Principal, policy: Policy, handler: str) -> None:
        """Raises Forbidden unless the policy lets the principal pass. Every check is counted.

        `handler` is the route's path template, for the count of denials.
        """
        started = time.perf_counter()
        result = "denied"
        try:
            authorize(policy, principal, production=self._production)
            result = "allowed"
        except Forbidden:
            self._registry.inc("aragora_rbac_permission_denied_total", permission=policy.name, handler=handler)
            raise
        finally:
            self._registry.inc("aragora_rbac_permission_checks_total", permission=policy.name, result=result)
            self._registry.observe("aragora_rbac_check_latency_seconds", time.perf_counter() - started)

    async def ended(self, principals: Collection[Principal]) -> frozenset[Principal]:
        """Those whose login, key or account no longer holds. Raises Unavailable."""
        return await self._authentication.ended(principals)

    async def witness(self, principal: Principal, deed: str, target: str, visit: Visit) -> None:
        """Before a command: audit who really gives it, where somebody acts as another. Raises Unavailable."""
        await self._authentication.witness(principal, deed, target, visit)

    async def arrival(self, facts: CallerFacts) -> str:
        """The client's address, where a request is met first: a peer that is not known yet is looked for."""
        origin = self.origin(facts)
        if origin.disbelieved:
            await self._hops.look_again()
            origin = self.origin(facts)
        return origin.address

    def address(self, facts: CallerFacts) -> str:
        """The client's address, which no header of its own can forge."""
        return self.origin(facts).address

    def origin(self, facts: CallerFacts) -> Origin:
        """Where the request came from."""
        forwarded = tuple(value.decode("latin-1") for name, value in facts.raw_headers if name == b"x-forwarded-for")
        return origin_of(facts.peer, forwarded, self._hops.trust)

    async def _by_ticket_alone(self, facts: CallerFacts, token: str) -> Principal | None:
        """The caller where the address holds a `token`: in production only a ticket is good there."""
        try:
            return await self._principal(replace(facts, ticket=facts.ticket or token, token=None))
        except Unauthenticated as refused:
            if refused.code != "invalid_ticket":
                raise
            raise Unauthenticated(_TICKETS_ONLY, code="ticket_required") from None

    async def _principal(self, facts: CallerFacts) -> Principal | None:
        return await self._authentication.principal(
            facts.headers(), address=self.address(facts), ticket=facts.ticket, token=facts.token
        )
