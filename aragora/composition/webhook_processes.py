"""The processes that send webhooks, when they are to end or to move: what is on its way to receivers ends first, and
what waits is in the store.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import structlog

from actors.kinds import DELIVERING
from aragora.errors import AragoraError

if TYPE_CHECKING:
    from actors.kinds import Delivering
    from actors.runtime import Reference, Runtime

LIMIT_S: Final = 5.0
"""How long requests to receivers may take then."""
ANSWER_S: Final = 3 * LIMIT_S  # the dispatcher waits for others, too

log = structlog.get_logger("aragora.server")


async def drain_webhooks(runtime: Runtime, ends: Callable[[str], bool] = lambda _: True) -> None:
    """Let the requests of these processes end, within `LIMIT_S` seconds. The dispatcher goes first: it takes back what
    it gave to others. Webhooks are no reason to go on: a process that does not answer is left to its end.

    Args:
        ends: says of an actor's name whether it is to end.
    """
    for kind in DELIVERING:
        try:
            keys = [key for key in await runtime.alive(kind) if ends(f"{kind.name}/{key}")]
        except AragoraError as error:
            log.warning("webhooks were not drained", error=error.message)
            return
        await asyncio.gather(*(_drain(runtime.at(kind, key)) for key in keys))


async def _drain(process: Reference[Delivering]) -> None:
    try:
        await process.ask(lambda it: it.drain(LIMIT_S), timeout_s=ANSWER_S)
    except AragoraError as error:
        log.warning("webhooks were not drained", actor=process.name, error=error.message)
