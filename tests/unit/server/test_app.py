"""The application: layers by stage, tasks that run with it, closers that all run."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.testing import capture_logs

from aragora.server.app import create_app
from aragora.server.feature import Feature, Layer, Stage
from aragora.server.ports import ServerConfig

CONFIG = ServerConfig("1.0.0", "ws://127.0.0.1:8765/ws", allowed_origins=("https://app.example",))


class Passing:
    """A layer that does nothing."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


def app_of(*features: Feature[Any]) -> Any:
    return create_app(CONFIG, authenticator=None, features=features)  # type: ignore[arg-type]  # no route asks it


def test_layers_stand_at_their_stages_whichever_feature_comes_first() -> None:
    limits = Feature("a", None, layers=(Layer(Stage.LIMITS, Middleware(Passing)),))
    timing = Feature("b", None, layers=(Layer(Stage.TIMING, Middleware(Passing)),))
    names = [layer.cls.__name__ for layer in app_of(limits, timing).user_middleware]
    assert names == [layer.cls.__name__ for layer in app_of(timing, limits).user_middleware]
    assert names == [
        "RequestIdMiddleware",
        "Passing",
        "SecurityHeadersMiddleware",
        "BodyDeadlineMiddleware",
        "FaultMiddleware",
        "Passing",
        "HostCheckMiddleware",
        "OriginCheckMiddleware",
        "CORSMiddleware",
        "BodyLimitMiddleware",
        "HeadMiddleware",
    ]


def test_a_server_bound_elsewhere_than_loopback_answers_under_any_host() -> None:
    app = create_app(ServerConfig("1", "ws://x/ws", bind_host="0.0.0.0"), None, ())  # type: ignore[arg-type]
    assert "HostCheckMiddleware" not in [layer.cls.__name__ for layer in app.user_middleware]


async def test_tasks_run_with_the_application_and_closers_after_them_in_reverse() -> None:
    told: list[str] = []

    async def task() -> None:
        told.append("task")
        try:
            await asyncio.Event().wait()
        finally:
            told.append("task cancelled")

    def closing(name: str) -> Any:
        async def close() -> None:
            told.append(f"close {name}")

        return close

    first = Feature("first", None, tasks=(task,), closers=(closing("1"), closing("2")))
    app = app_of(first, Feature("second", None, closers=(closing("3"),)))
    async with app.router.lifespan_context(app):
        await asyncio.sleep(0)
        assert told == ["task"]
    assert told == ["task", "task cancelled", "close 3", "close 2", "close 1"]


async def test_a_closer_or_task_that_fails_keeps_nothing_else_from_its_end() -> None:
    closed: list[str] = []

    async def close() -> None:
        closed.append("good")

    async def fail() -> None:
        raise RuntimeError("broken")

    app = app_of(Feature("one", None, tasks=(fail,), closers=(close,)), Feature("two", None, closers=(fail,)))
    with capture_logs() as logs:
        async with app.router.lifespan_context(app):
            await asyncio.sleep(0)
    assert closed == ["good"]
    assert [(line["event"], line.get("task") or line["feature"]) for line in logs] == [
        ("background work broke and begins anew", "one: fail"),
        ("not closed", "two"),
    ]
