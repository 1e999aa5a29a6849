"""The full authenticator: sessions, API keys, the fixed tokens, identity headers, tickets, the local operator.

It turns what a request carries into a `Caller` and holds it against a policy. The rules are those of
`aragora.identity`; here they meet the facts of the server, and are counted.
"""

from __future__ import annotations

import time
from weakref import WeakSet

from aragora.errors import RateLimited, Unauthenticated
from aragora.identity.authentication import Authentication
from aragora.identity.client_address import Network, client_address
from aragora.identity.parts import Visit
from aragora.identity.principal import Method
from aragora.identity.principal import Principal as Who
from aragora.identity.rate_limits import PER_PRINCIPAL, RateLimits
from aragora.identity.rbac import policy_named, refusal
from aragora.observability.registry import Registry
from aragora.server.ports import CallerFacts, Principal

# Machine credentials of the operator, and the operator: they see every organisation.
_EVERY_ORG = frozenset({Method.LOCAL, Method.API_TOKEN})


class Caller(Principal):
    """A principal of the server that remembers how it was proven."""

    who: Who

    def __init__(self, who: Who) -> None:
        super().__init__(
            user_id=who.user_id,
            org_id=who.org_id,
            roles=frozenset(who.roles),
            permissions=who.permissions,
            every_org=who.method in _EVERY_ORG,
            expires_at=who.expires_at,
        )
        object.__setattr__(self, "who", who)

    def end(self) -> None:
        """Its proof is void as of now: open connections look at `expires_at` once a second and close."""
        object.__setattr__(self, "expires_at", 0.0)

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


class FullAuthenticator:
    """The server's `Authenticator` port over `aragora.identity`."""

    def __init__(
        self,
        authentication: Authentication,
        limits: RateLimits,
        registry: Registry,
        trusted: tuple[Network, ...],
        *,
        production: bool,
    ) -> None:
        self._authentication = authentication
        self._limits = limits
        self._registry = registry
        self._trusted = trusted
        self._production = production
        self._open: WeakSet[Caller] = WeakSet()

    async def authenticate(self, facts: CallerFacts) -> Caller:
        """Who is calling. Raises Unauthenticated for nobody and for proofs that do not hold, RateLimited."""
        caller = await self.recognise(facts)
        if caller is None:
            raise Unauthenticated(
                "Show who you are: send the header 'Authorization: Bearer TOKEN' with an access token or API key."
            )
        if caller.who.method is not Method.LOCAL:
            verdict = await self._limits.hit(PER_PRINCIPAL, caller.who.key_id or caller.user_id)
            if not verdict.allowed:
                raise RateLimited("Too many requests; wait and try again.", retry_after_s=max(1.0, verdict.reset_s))
        return caller

    async def recognise(self, facts: CallerFacts) -> Caller | None:
        """Who is calling, or None for nobody: for routes that are public. Raises as `authenticate`."""
        who = await self._authentication.principal(
            headers_of(facts), address=self.address(facts), ticket=facts.ticket, token=facts.token
        )
        if who is None:
            return None
        caller = Caller(who)
        if facts.path == "/ws":
            self._open.add(caller)
        return caller

    async def authorize(self, principal: Principal, policy: str, handler: str) -> None:
        """Raises Forbidden unless the policy lets the principal pass; every check is counted."""
        started = time.perf_counter()
        who = principal.who if isinstance(principal, Caller) else None
        problem = refusal(policy_named(policy), who, production=self._production)
        result = "denied" if problem is not None else "allowed"
        self._registry.inc("aragora_rbac_permission_checks_total", permission=policy, result=result)
        self._registry.observe("aragora_rbac_check_latency_seconds", time.perf_counter() - started)
        if problem is not None:
            self._registry.inc("aragora_rbac_permission_denied_total", permission=policy, handler=handler)
            raise problem

    async def end_revoked(self) -> None:
        """End the callers of open connections whose login, key or account has ended since."""
        for caller in tuple(self._open):
            if not await self._authentication.still_valid(caller.who):
                caller.end()
                self._open.discard(caller)

    def address(self, facts: CallerFacts) -> str:
        """The client's address, which no header of its own can forge."""
        forwarded = tuple(value.decode("latin-1") for name, value in facts.raw_headers if name == b"x-forwarded-for")
        return client_address(facts.peer, forwarded, self._trusted)

    def visit(self, facts: CallerFacts, request_id: str) -> Visit:
        return Visit(self.address(facts), request_id)


def headers_of(facts: CallerFacts) -> dict[str, str]:
    """The headers by lower-case name; of one that is repeated, all values, joined as RFC 9110 (5.3) joins them.

    A second Authorization or identity header therefore changes the first, and neither then holds.
    """
    found: dict[str, str] = {}
    for raw_name, raw_value in facts.raw_headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found
