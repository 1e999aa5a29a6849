"""`create_app`: the ASGI application, out of the services it is given. No Ray here, and no global state."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import APIRouter, FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import WebSocketRoute

from aragora.clock import Clock, SystemClock
from aragora.server import failures
from aragora.server.chapters import (
    agents,
    debates,
    events,
    exports,
    health,
    leaderboard,
    metrics,
    operations,
    pages,
    receipts,
)
from aragora.server.live.fanout import Fanout
from aragora.server.live.sockets import SocketRegistry
from aragora.server.live.websocket import PATH, WebSocketEndpoint
from aragora.server.middleware import host_check
from aragora.server.middleware.body_limit import BodyLimitMiddleware
from aragora.server.middleware.faults import FaultMiddleware
from aragora.server.middleware.head import HeadMiddleware
from aragora.server.middleware.host_check import HostCheckMiddleware
from aragora.server.middleware.origin_check import OriginCheckMiddleware
from aragora.server.middleware.request_id import RequestIdMiddleware
from aragora.server.middleware.security_headers import SecurityHeadersMiddleware
from aragora.server.middleware.timing import TimingMiddleware
from aragora.server.ports import Services

# The order is that of matching: what is asked most comes first; `exports` before `debates`, whose {debate_id}
# would take "export" for an id.
_CHAPTERS = (health, exports, debates, events, receipts, metrics, agents, operations, leaderboard, pages)


def create_app(services: Services, *, routers: Sequence[APIRouter] = (), clock: Clock | None = None) -> FastAPI:
    """The application. `routers` adds chapters; each of their routes must declare its policy with `require`."""
    clock = clock or SystemClock()
    sockets = SocketRegistry(services, clock)
    fanout = Fanout(services.feed, services.reader, random.random)
    app = FastAPI(
        title="Aragora",
        version=services.config.version,
        description="Settles questions by debate.",
        openapi_url=None,  # a chapter of its own serves it, with a policy like every route
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        middleware=_layers(services, clock),
        lifespan=_lifespan(sockets),
    )
    app.state.services, app.state.sockets, app.state.fanout = services, sockets, fanout
    # The routes themselves, not include_router: that would match every request twice over.
    for router in (*(chapter.router for chapter in _CHAPTERS), *routers):
        app.router.routes.extend(router.routes)
    app.router.routes.append(WebSocketRoute(PATH, WebSocketEndpoint(services, fanout, sockets, clock), name="ws"))
    failures.install(app)
    return app


def _layers(services: Services, clock: Clock) -> list[Middleware]:
    """Outermost first."""
    config = services.config
    layers = [Middleware(RequestIdMiddleware)]
    if services.observer is not None:
        layers.append(Middleware(TimingMiddleware, observer=services.observer, clock=clock))
    layers.append(Middleware(SecurityHeadersMiddleware, production=config.environment == "production"))
    layers.append(Middleware(FaultMiddleware))
    if host_check.applies(config):
        layers.append(Middleware(HostCheckMiddleware, config=config))
    layers.append(Middleware(OriginCheckMiddleware, allowed_origins=config.allowed_origins))
    if config.allowed_origins:
        layers.append(
            Middleware(
                CORSMiddleware,
                allow_origins=list(config.allowed_origins),
                allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
                allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID", "X-Request-ID"],
                expose_headers=["X-Request-ID", "Retry-After", "Location", "RateLimit", "RateLimit-Policy"],
                max_age=600,
            )
        )
    layers.append(Middleware(BodyLimitMiddleware, max_body_bytes=config.max_body_bytes))
    layers.append(Middleware(HeadMiddleware))
    return layers


def _lifespan(sockets: SocketRegistry) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        tasks = [
            asyncio.create_task(sockets.run()),
            asyncio.create_task(sockets.drain()),
            asyncio.create_task(sockets.watch()),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    return lifespan
