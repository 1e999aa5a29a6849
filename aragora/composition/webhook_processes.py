"""The processes that send webhooks, when they are to end or to move: what is on its way to receivers ends first, and
what waits is in the store.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import structlog

from actors.kinds import DISPATCHER, ENDPOINT
from aragora.errors import AragoraError

if TYPE_CHECKING:
    from actors.runtime import Runtime

LIMIT_S: Final = 5.0
"""How long requests to receivers may take then."""

log = structlog.get_logger("aragora.server")


async def drain_webhooks(runtime: Runtime, ends: Callable[[str], bool] = lambda _: True) -> None:
    """Let the requests of these processes end, within `LIMIT_S` seconds. The dispatcher goes first: it takes back what
    it gave to others. Webhooks are no reason to go on: a process that does not answer is left to its end.

    Args:
        ends: says of an actor's name whether it is to end.
    """
    for kind in (DISPATCHER, ENDPOINT):
        try:
            keys = [key for key in await runtime.alive(kind) if ends(f"{kind.name}/{key}")]
        except AragoraError as error:
            log.warning("webhooks were not drained", error=error.message)
            return
        await asyncio.gather(*(_drain(runtime, kind.name, key) for key in keys))


async def _drain(runtime: Runtime, kind: str, key: str) -> None:
    try:
        if kind == DISPATCHER.name:
            await runtime.at(DISPATCHER, key).ask(lambda it: it.drain(LIMIT_S), timeout_s=3 * LIMIT_S)
        else:
            await runtime.at(ENDPOINT, key).ask(lambda it: it.drain(LIMIT_S), timeout_s=2 * LIMIT_S)
    except AragoraError as error:
        log.warning("webhooks were not drained", actor=f"{kind}/{key}", error=error.message)
