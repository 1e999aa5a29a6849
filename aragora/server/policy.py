"""The one way a route declares who may call it: `dependencies=[require(...)]`, on every route.

Policies are values of `aragora.identity.rbac`. Deny by default: a
test walks the routes and fails on one that declares nothing.
"""

from __future__ import annotations

from typing import Any, Final

from fastapi import Depends, Request
from starlette.types import Scope

from aragora.identity.principal import Principal
from aragora.identity.rbac import PUBLIC, Policy
from aragora.server.authentication import facts_of
from aragora.server.ports import Services

_PRINCIPAL: Final = "aragora.principal"


class Guard:
    """Dependency that lets a request pass if the policy allows its sender, and remembers who it was."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy

    async def __call__(self, request: Request) -> None:
        services = services_of(request)
        principal = await services.authenticator.authenticate(facts_of(request.scope))
        services.authenticator.authorize(principal, self.policy, route_template(request.scope))
        request.scope[_PRINCIPAL] = principal


class OpenGuard(Guard):
    """The guard of public routes: asks nobody anything."""

    def __init__(self) -> None:
        super().__init__(PUBLIC)

    async def __call__(self) -> None:  # type: ignore[override]  # FastAPI reads the signature: nothing is needed
        return


def require(policy: Policy) -> Any:
    """Declare the policy of a route: `@router.get(..., dependencies=[require(DEBATES_READ)])`."""
    return Depends(OpenGuard() if policy == PUBLIC else Guard(policy))


def services_of(request: Request) -> Services:
    """The services this application was created with."""
    services: Services = request.app.state.services
    return services


def caller_of(request: Request) -> Principal:
    """Who is calling a guarded route."""
    principal: Principal = request.scope[_PRINCIPAL]
    return principal


def route_template(scope: Scope) -> str:
    """The path template the request was routed to, `unmatched` where there is none."""
    return getattr(scope.get("route"), "path", None) or "unmatched"
