"""Asking a running server from a command, and telling its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeVar

from rich.console import RenderableType

from aragora.cli.rendering.terminal import print_json, say, terminal
from aragora.client import AragoraClient

T = TypeVar("T")


def at_the_server(
    url: str, token: str | None, work: Callable[[AragoraClient], Awaitable[T]], *, timeout_s: float = 30.0
) -> T:
    """What `work` makes of a client of this server. Raises the errors of `AragoraClient`."""

    async def run() -> T:
        async with AragoraClient(url, token=token, timeout_s=timeout_s) as client:
            return await work(client)

    return asyncio.run(run())


def tell(document: Mapping[str, Any], text: str, *, as_json: bool) -> None:
    """Print an answer: the document for a program, the text for a person."""
    if as_json:
        print_json(document)
    else:
        terminal().print(say(text))


def tell_one(found: Mapping[str, Any], shown: Callable[[], Iterable[RenderableType]], *, as_json: bool) -> None:
    """Print what was found: the document for a program; for a person what `shown` makes of it."""
    if as_json:
        print_json(found)
    else:
        terminal().print(*shown(), sep="\n")


def tell_page(page: Mapping[str, Any], shown: Callable[[], Iterable[RenderableType]], *, as_json: bool) -> None:
    """Print a page of a list: the document for a program; for a person what `shown` makes of it, and how to go on."""
    if as_json:
        print_json(page)
        return
    console = terminal()
    console.print(*shown(), sep="\n")
    if page.get("next_cursor"):
        console.print(say(f"More: the same with --cursor {page['next_cursor']}", "dim"))
