"""Actors without Ray: a runtime whose processes are objects of this process, called directly."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from actors.kinds import Kind
from actors.runtime import Runtime
from aragora.config.settings import Settings


class Handle:
    """Stands for Ray's handle of `actor`."""

    def __init__(self, actor: object) -> None:
        self._actor = actor

    def __getattr__(self, method: str) -> Method:
        return Method(getattr(self._actor, method))


class Method:
    """Stands for a method of Ray's handle."""

    def __init__(self, call: Callable[..., Awaitable[Any]]) -> None:
        self.remote = call


def runtime_over(actor: object, created: list[str] | None = None) -> Runtime:
    """A runtime whose every actor is `actor`; `created` gets the name of each process that is created."""

    def create(kind: Kind[Any], key: str, _: Settings) -> Handle:
        if created is not None:
            created.append(f"{kind.name}/{key}")
        return Handle(actor)

    return Runtime(Settings(), create)
