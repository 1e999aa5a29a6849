"""What the process of the index of meanings tells of itself, for the health of the mound. Asking wakes none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from actors.kinds import MOUND_INDEX, MOUND_INDEX_KEY
from actors.runtime import ONCE, Runtime
from aragora.clock import Clock
from aragora.knowledge.health import Component, Reading, State
from aragora.knowledge.near import APART, IndexFigures

FIGURES_S: Final = 1.5
LATE_S: Final = 600.0  # so long may an item wait for its vector


class IndexParts:
    """The index and its embedder share a process, which is there while it is used."""

    def __init__(self, runtime: Runtime, clock: Clock) -> None:
        self._runtime = runtime
        self._clock = clock

    async def look(self) -> Mapping[Component, Reading]:
        """Raises Unavailable where it has a process that does not answer. Without one it rests, and nothing is wrong:
        it begins with the next search."""
        if MOUND_INDEX_KEY not in await self._runtime.alive(MOUND_INDEX):
            resting = Reading(State.WORKS)
            return {Component.VECTOR_INDEX: resting, Component.EMBEDDER: resting}
        figures = await self._runtime.at(MOUND_INDEX, MOUND_INDEX_KEY).ask(
            lambda it: it.figures(), timeout_s=FIGURES_S, backoff=ONCE
        )
        return read(figures, self._clock.now())


def read(figures: IndexFigures, now: float) -> Mapping[Component, Reading]:
    """What the figures say of the index and of its embedder. The index fails where it has other vectors than the store,
    the embedder where a known text did not get its known vector, or an item waits for its vector for too long."""
    apart = 0 if figures.stored is None else abs(figures.stored - figures.vectors)
    vectors = {"vectors": float(figures.vectors), "loaded": float(figures.loaded)}
    if figures.stored is not None:
        vectors["stored"] = float(figures.stored)
    late = figures.waiting > 0 and figures.oldest_s > LATE_S
    embeds = State.FAILS if late or figures.embeds is False else State.WORKS
    waiting = {"waiting": float(figures.waiting), "oldest_waiting_s": round(figures.oldest_s, 1)}
    return {
        Component.VECTOR_INDEX: Reading(State.WORKS if apart <= APART else State.FAILS, now, vectors),
        Component.EMBEDDER: Reading(embeds, now, waiting),
    }
