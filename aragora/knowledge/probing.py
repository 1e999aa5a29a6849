"""Looking at the components of the mound: each look uses the component as its users do.

A look that fails, or takes longer than `LOOK_S`, says that its component fails; the error goes to the log and nowhere
else. The readings of one process are kept for `FRESH_S`, so that a public route costs no more than that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import structlog

from aragora.clock import Clock
from aragora.knowledge.health import FAILED, Component, Reading, told

FRESH_S: Final = 10.0
LOOK_S: Final = 2.0

Look = Callable[[], Awaitable[Mapping[Component, Reading]]]
"""Looks at some components. Raises what it likes."""

log: Final[structlog.stdlib.BoundLogger] = structlog.get_logger("aragora.knowledge")


class MoundHealth:
    """Looks at all components, once for all who ask within `FRESH_S`. Belongs to one event loop."""

    def __init__(self, looks: Mapping[Component, Look], clock: Clock) -> None:
        """`looks` by the component that counts as failed where the look fails; a look may tell of others too."""
        self._looks = looks
        self._clock = clock
        self._looking = asyncio.Lock()
        self._told: dict[str, Any] = {}
        self._told_at = float("-inf")

    async def tell(self) -> dict[str, Any]:
        """The answer of the health route, `FRESH_S` old at the most. Never raises for a component."""
        async with self._looking:
            if self._clock.monotonic() - self._told_at >= FRESH_S:
                found = await asyncio.gather(*(self._look(name, look) for name, look in self._looks.items()))
                readings = {name: reading for some in found for name, reading in some.items()}
                self._told = told(readings, self._clock.now())
                self._told_at = self._clock.monotonic()
            return self._told

    async def _look(self, name: Component, look: Look) -> Mapping[Component, Reading]:
        try:
            async with asyncio.timeout(LOOK_S):
                return await look()
        except Exception as error:  # noqa: BLE001  whatever it is, the component does not work
            log.warning("a part of the Knowledge Mound does not work", component=name, error=repr(error))
            return {name: FAILED}
