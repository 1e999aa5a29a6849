"""All of identity that one replica needs, made from the settings, and how it goes into the application.

identity = open_identity(settings, bind_host=host, clock=clock)
app = create_app(Services(..., identity=identity.authenticator), routers=identity_routers())
identity.install(app)
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from fastapi import APIRouter, FastAPI, Request
from starlette.middleware import Middleware

from aragora.clock import Clock
from aragora.config.settings import Settings
from aragora.errors import Unavailable
from aragora.identity.accounts import Accounts
from aragora.identity.authentication import Authentication
from aragora.identity.client_address import trusted_networks
from aragora.identity.identity import IdentityRules
from aragora.identity.logins import Logins
from aragora.identity.oauth import OAuthSettings, OpenIdLogin
from aragora.identity.parts import IdentityParts, Visit
from aragora.identity.passwords import Passwords
from aragora.identity.rate_limits import RateLimits
from aragora.identity.second_factor import SecondFactor
from aragora.identity.store.api_keys import ApiKeyStore
from aragora.identity.store.audit_log import AuditLog
from aragora.identity.store.oauth_states import OAuthStateStore
from aragora.identity.store.sessions import SessionStore
from aragora.identity.store.users import UserStore
from aragora.identity.tickets import Tickets
from aragora.identity.tokens import TokenSigner
from aragora.integrations.access import IntegrationAccess
from aragora.observability.registry import REGISTRY
from aragora.secrets.encryption import encryption_service
from aragora.secrets.keyring import local_jwt_secret
from aragora.server.authentication import FullAuthenticator
from aragora.server.failures import REQUEST_ID
from aragora.server.identity import is_loopback
from aragora.server.middleware.error_notes import ErrorNotes, ErrorNotesMiddleware
from aragora.server.middleware.faults import FaultMiddleware
from aragora.server.middleware.rate_limit import RateLimitMiddleware
from aragora.server.policy import facts_of
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.ephemeral import Ephemeral, SqlEphemeral
from aragora.storage.ephemeral_redis import FallbackEphemeral, RedisEphemeral, connect

RECHECK_S: Final = 5.0
"""How soon a revoked login closes its open WebSockets."""

_log = logging.getLogger(__name__)


@dataclass
class Identity:
    """What the identity routes use, and what the composition closes."""

    parts: IdentityParts
    logins: Logins
    accounts: Accounts
    second_factor: SecondFactor
    tickets: Tickets
    authenticator: FullAuthenticator
    integrations: IntegrationAccess
    oauth: Callable[[], Awaitable[OpenIdLogin]] | None
    success_url: str | None
    error_url: str | None
    errors: ErrorNotes = field(default_factory=ErrorNotes)
    closers: list[Callable[[], Awaitable[None]]] = field(default_factory=list)

    def install(self, app: FastAPI) -> None:
        """Put the routes' access, the limits and the watch over open connections into the application."""
        app.state.identity = self
        layers: list[object] = [layer.cls for layer in app.user_middleware]
        inner = layers.index(FaultMiddleware) + 1
        app.user_middleware[inner:inner] = [
            Middleware(ErrorNotesMiddleware, notes=self.errors, clock=self.parts.clock),
            Middleware(
                RateLimitMiddleware,
                limits=self.parts.limits,
                addresses=self.authenticator,
                spare_loopback=not self.parts.production,
            ),
        ]
        before = app.router.lifespan_context

        @asynccontextmanager
        async def lifespan(running: FastAPI) -> AsyncIterator[Any]:
            async with before(running) as state:
                tasks = [asyncio.create_task(self._watch()), asyncio.create_task(self.integrations.keep_counting())]
                try:
                    yield state
                finally:
                    for task in tasks:
                        task.cancel()
                    await asyncio.gather(*tasks, return_exceptions=True)
                    await self.aclose()

        app.router.lifespan_context = lifespan

    async def aclose(self) -> None:
        """Close all connections."""
        for close in self.closers:
            await close()

    def visit(self, request: Request) -> Visit:
        """Where a request comes from."""
        return self.authenticator.visit(facts_of(request.scope), request.scope.get(REQUEST_ID, ""))

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(RECHECK_S)
            try:
                await self.authenticator.end_revoked()
            except Unavailable as away:
                _log.warning("open connections could not be checked: %s", away.message)


def identity_of(request: Request) -> Identity:
    """The identity services of the application."""
    found: Identity = request.app.state.identity
    return found


def identity_routers() -> tuple[APIRouter, ...]:
    """The chapters of identity, for `create_app(routers=...)`."""
    from aragora.server.chapters import auth, identity_admin, integrations, oauth, second_factor  # noqa: PLC0415  they import this module

    return (auth.router, second_factor.router, oauth.router, identity_admin.router, integrations.router)


def open_identity(settings: Settings, *, bind_host: str, clock: Clock) -> Identity:
    """Identity as the settings say; connects when first used. Raises Misconfigured."""
    database = Database.open(settings, Context.USERS)
    closers: list[Callable[[], Awaitable[None]]] = [database.aclose]
    redis_url = settings.redis_url.get_secret_value() if settings.redis_url else None
    shared: Ephemeral = SqlEphemeral(database, clock)
    cache: Ephemeral | None = None
    if redis_url is not None:
        client = connect(redis_url)
        closers.append(client.aclose)
        shared = cache = FallbackEphemeral(RedisEphemeral(client), shared, clock)
    limits = RateLimits(clock, redis_url)
    closers.append(limits.aclose)
    secret = settings.jwt_secret.get_secret_value() if settings.jwt_secret else local_jwt_secret(settings.data_dir)
    parts = IdentityParts(
        users=UserStore(database),
        sessions=SessionStore(database, cache),
        keys=ApiKeyStore(database),
        audit=AuditLog(database, clock),
        passwords=Passwords(),
        signer=TokenSigner(secret),
        shared=shared,
        limits=limits,
        crypto=encryption_service(
            settings.encryption_key.get_secret_value() if settings.encryption_key else None,
            production=settings.production,
            data_dir=settings.data_dir,
        ),
        clock=clock,
        access_s=settings.jwt_expiry_hours * 3600.0,
        refresh_s=settings.refresh_token_expiry_days * 86400.0,
        production=settings.production,
    )
    logins, tickets = Logins(parts), Tickets(shared)
    authentication = Authentication(parts, _rules(settings, bind_host), tickets)
    integrations = IntegrationAccess(settings, parts.crypto, clock)
    closers.append(integrations.aclose)
    return Identity(
        parts=parts,
        logins=logins,
        accounts=Accounts(parts, logins),
        second_factor=SecondFactor(parts, logins),
        tickets=tickets,
        authenticator=FullAuthenticator(
            authentication, limits, REGISTRY, trusted_networks(settings.trusted_proxies), production=settings.production
        ),
        integrations=integrations,
        oauth=_oauth(settings, shared, clock, closers),
        success_url=settings.oauth_success_url,
        error_url=settings.oauth_error_url,
        closers=closers,
    )


def _rules(settings: Settings, bind_host: str) -> IdentityRules:
    return IdentityRules(
        production=settings.production,
        local_operator=not settings.production
        and settings.api_token is None
        and settings.jwt_secret is None
        and is_loopback(bind_host),
        api_token=settings.api_token.get_secret_value() if settings.api_token else None,
        service_token=settings.service_token.get_secret_value() if settings.service_token else None,
    )


def _oauth(
    settings: Settings, shared: Ephemeral, clock: Clock, closers: list[Callable[[], Awaitable[None]]]
) -> Callable[[], Awaitable[OpenIdLogin]] | None:
    """What gives the login with Google, or None where it is not set up. Its HTTP client is made with first use."""
    secret = settings.google_oauth_client_secret
    if settings.google_oauth_client_id is None or secret is None or settings.google_oauth_redirect_uri is None:
        return None
    client = OAuthSettings(
        client_id=settings.google_oauth_client_id,
        redirect_uri=settings.google_oauth_redirect_uri,
        client_secret=secret.get_secret_value(),
        allowed_hosts=settings.oauth_allowed_redirect_hosts,
    )
    made: list[OpenIdLogin] = []

    async def login() -> OpenIdLogin:
        if not made:
            from aiohttp import ClientSession  # noqa: PLC0415  only where login with a provider is set up

            http = ClientSession()
            closers.append(http.close)
            made.append(OpenIdLogin(client, OAuthStateStore(shared), http, clock))
        return made[0]

    return login
