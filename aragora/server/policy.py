"""The one way a route declares who may call it: `dependencies=[require(...)]`, on every route.

Policies: `public`, `user` (any authenticated caller), `admin`, or the name of a permission. Deny by default: a
test walks the routes and fails on one that declares nothing.
"""

from __future__ import annotations

from typing import Any, Final

from fastapi import Depends, Request
from starlette.types import Scope

from aragora.server.ports import CallerFacts, Principal, Services

PUBLIC: Final = "public"
USER: Final = "user"
ADMIN: Final = "admin"

_PRINCIPAL: Final = "aragora.principal"


class Guard:
    """Dependency that lets a request pass if the policy allows its sender, and remembers who it was."""

    def __init__(self, policy: str) -> None:
        self.policy = policy

    async def __call__(self, request: Request) -> None:
        services = services_of(request)
        principal = await services.identity.authenticate(facts_of(request.scope))
        await services.identity.authorize(principal, self.policy, route_template(request.scope))
        request.scope[_PRINCIPAL] = principal


class OpenGuard(Guard):
    """The guard of public routes: asks nobody anything."""

    def __init__(self) -> None:
        super().__init__(PUBLIC)

    async def __call__(self) -> None:  # type: ignore[override]  # FastAPI reads the signature: nothing is needed
        return


def require(policy: str) -> Any:
    """Declare the policy of a route: `@router.get(..., dependencies=[require("debates.read")])`."""
    return Depends(OpenGuard() if policy == PUBLIC else Guard(policy))


def services_of(request: Request) -> Services:
    """The services this application was created with."""
    services: Services = request.app.state.services
    return services


def caller_of(request: Request) -> Principal:
    """Who is calling a guarded route."""
    principal: Principal = request.scope[_PRINCIPAL]
    return principal


def facts_of(scope: Scope) -> CallerFacts:
    """What an HTTP scope tells of its sender."""
    client = scope.get("client")
    return CallerFacts(
        method=scope["method"],
        path=scope["path"],
        peer=client[0] if client else None,
        raw_headers=scope["headers"],
    )


def route_template(scope: Scope) -> str:
    """The path template the request was routed to, `unmatched` where there is none."""
    return getattr(scope.get("route"), "path", None) or "unmatched"
