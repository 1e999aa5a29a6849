"""What a feature brings to an application. A declaration: `create_app` reads it before the application exists.

A feature opens its stores and fulfils its ports in `aragora.composition`; its routes are chapters, its middleware
says at which stage it stands. Nothing changes an application after it was made. What a feature brings to other
processes, consumers of the outbox and durable jobs, is declared in `aragora.composition.consumers` and `jobs`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Generic, TypeAlias, TypeVar

from starlette.middleware import Middleware
from starlette.routing import WebSocketRoute

from aragora.server.chapter import Chapter

P = TypeVar("P")

Task: TypeAlias = Callable[[], Coroutine[Any, Any, None]]
"""Runs while the application does; it is cancelled at the end."""
Closer: TypeAlias = Callable[[], Awaitable[None]]


class Stage(IntEnum):
    """Where a layer stands, outermost first. The order is a rule: each stage says what it needs around it."""

    REQUEST_ID = 0  # every line of the log and every failure names the request
    TIMING = 1  # counts refusals of the stages within as well
    HEADERS = 2  # also on failures
    SLOWNESS = 3  # sees every answer that is given before the body was read
    FAULTS = 4  # the last net
    NOTES = 5  # sees errors before the net catches them
    LIMITS = 6  # before anything that costs
    HOST = 7
    ORIGIN = 8
    CORS = 9  # answers only origins that the stage before let pass
    BODY = 10
    METHOD = 11


@dataclass(frozen=True)
class Layer:
    """A middleware at its stage."""

    stage: Stage
    middleware: Middleware


@dataclass(frozen=True)
class Feature(Generic[P]):
    """One feature of the server.

    Attributes:
        name: as its rooms are called.
        ports: what the handlers of its chapters call (`call.ports`).
        chapters: its routes.
        sockets: its WebSocket endpoints; each endpoint has a `policy`.
        layers: its middleware.
        tasks: what runs beside the requests.
        closers: what is closed once no request and no task runs; in reverse order, each even if another fails.
    """

    name: str
    ports: P
    chapters: tuple[Chapter[P], ...] = ()
    sockets: tuple[WebSocketRoute, ...] = ()
    layers: tuple[Layer, ...] = ()
    tasks: tuple[Task, ...] = ()
    closers: tuple[Closer, ...] = ()
