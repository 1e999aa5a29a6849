"""`create_app`: the ASGI application, made of the features it is given. No Ray here, and no global state."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

import structlog
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from aragora.identity.origins import names_this_machine
from aragora.server import failures
from aragora.server.authentication import Authenticator
from aragora.server.chapter import Server
from aragora.server.feature import Closer, Feature, Layer, Stage, Task
from aragora.server.middleware.headers import RequestIdMiddleware, SecurityHeadersMiddleware
from aragora.server.middleware.origins import HostCheckMiddleware, OriginCheckMiddleware
from aragora.server.middleware.outcomes import FaultMiddleware
from aragora.server.middleware.requests import BodyLimitMiddleware, HeadMiddleware
from aragora.server.middleware.slow_bodies import BodyDeadlineMiddleware
from aragora.server.ports import ServerConfig
from aragora.supervision import begin, kept, watch_event_loop

_log = structlog.get_logger(__name__)


def create_app(config: ServerConfig, authenticator: Authenticator, features: Sequence[Feature[Any]]) -> FastAPI:
    """The application of these features. Routes are matched in their order: put first what is asked most."""
    layers = [*_own_layers(config), *(layer for feature in features for layer in feature.layers)]
    app = FastAPI(
        title="Aragora",
        version=config.version,
        description="Settles questions by debate.",
        openapi_url=None,  # a chapter of its own serves it, with a policy like every route
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        middleware=[layer.middleware for layer in sorted(layers, key=lambda layer: layer.stage)],
        lifespan=_lifespan(features),
    )
    app.state.server = Server(
        config, authenticator, {chapter: feature.ports for feature in features for chapter in feature.chapters}
    )
    # The routes themselves, not include_router: that would match every request twice over.
    for feature in features:
        for chapter in feature.chapters:
            app.router.routes.extend(chapter.routes)
    app.router.routes.extend(socket for feature in features for socket in feature.sockets)
    failures.install(app)
    return app


def _own_layers(config: ServerConfig) -> list[Layer]:
    """What stands around every application."""
    layers = [
        Layer(Stage.REQUEST_ID, Middleware(RequestIdMiddleware)),
        Layer(Stage.HEADERS, Middleware(SecurityHeadersMiddleware, production=config.environment == "production")),
        Layer(Stage.SLOWNESS, Middleware(BodyDeadlineMiddleware, deadline_s=config.body_deadline_s)),
        Layer(Stage.FAULTS, Middleware(FaultMiddleware)),
        Layer(Stage.ORIGIN, Middleware(OriginCheckMiddleware, allowed_origins=config.allowed_origins)),
        Layer(Stage.BODY, Middleware(BodyLimitMiddleware, max_body_bytes=config.max_body_bytes)),
        Layer(Stage.METHOD, Middleware(HeadMiddleware)),
    ]
    if config.environment == "development" and names_this_machine(config.bind_host):
        # There the local operator acts without login. A server bound elsewhere has none, and any Host may reach it.
        layers.append(Layer(Stage.HOST, Middleware(HostCheckMiddleware, allowed_hosts=config.allowed_hosts)))
    if config.allowed_origins:
        cors = Middleware(
            CORSMiddleware,
            allow_origins=list(config.allowed_origins),
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=[
                "Authorization",
                "Content-Type",
                "Idempotency-Key",
                "If-Match",
                "Last-Event-ID",
                "X-Request-ID",
            ],
            expose_headers=["X-Request-ID", "Retry-After", "Location", "RateLimit", "RateLimit-Policy"],
            max_age=600,
        )
        layers.append(Layer(Stage.CORS, cors))
    return layers


def _lifespan(features: Sequence[Feature[Any]]) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """Runs the features' tasks; at the end stops them, then runs every closer, the last opened first."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as closing:
            for feature in features:
                for closer in feature.closers:
                    closing.push_async_callback(_closed, feature.name, closer)
            watch_event_loop()
            tasks = [begin(kept(name, task), name) for name, task in _named(features)]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    return lifespan


def _named(features: Sequence[Feature[Any]]) -> Iterator[tuple[str, Task]]:
    """Every task, with the name under which it is supervised: `debates: drain`."""
    for feature in features:
        for task in feature.tasks:
            yield f"{feature.name}: {getattr(task, '__name__', 'task')}", task


async def _closed(feature: str, closer: Closer) -> None:
    try:
        await closer()
    except Exception as error:  # noqa: BLE001  the others still have to be closed
        _log.exception("not closed", feature=feature, error=type(error).__name__)
