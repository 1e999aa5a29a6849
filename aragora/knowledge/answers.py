"""Answers of searches that are kept for a while: numbers of items and their scores, and nothing else.

Rules
- The generations of the scopes are in the key, so a kept answer is never given after anything changed in them, and
  nothing has to be taken out of the cache. The organisation, the scopes, the embedder and the whole request are in it,
  too; what stands in the cache is a digest of all of that.
- An answer is kept only where the index of meanings had followed the store up to these generations.
- Who may see an item the store decides anew each time. Where it shows one less, the search is done again.
- A cache that is away, slow or answers with something else costs `WAIT_S` once in `AGAIN_S`, and no search.

Without Redis each process keeps its own answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, TypeVar

import structlog

from aragora.clock import Clock
from aragora.encoding import decode_as, encode, encode_text
from aragora.errors import Unavailable
from aragora.knowledge.health import Component, Reading, State
from aragora.observability.registry import REGISTRY, Registry
from aragora.resilience.cache import Cache
from aragora.storage.ephemeral import Ephemeral

KEPT_S: Final = 300.0
KEPT_MAX: Final = 1_000  # answers of one process, of up to some 15 kB each
WAIT_S: Final = 0.05
AGAIN_S: Final = 5.0
PREFIX: Final = "km:"

HITS: Final = "aragora_km_cache_hits_total"
MISSES: Final = "aragora_km_cache_misses_total"
FAILURES: Final = "aragora_km_cache_failures_total"
_FORM: Final = 1  # of what is kept and of how it is ranked: another version does not read it

T = TypeVar("T")

log: Final[structlog.stdlib.BoundLogger] = structlog.get_logger("aragora.knowledge")


@dataclass(frozen=True, slots=True)
class KeptScore:
    """One hit: the number of its item, and the parts of its score as `aragora.knowledge.search.ranking.Score` has
    them."""

    item_no: int
    places: Mapping[str, int]
    fused: float
    confidence: float
    decay: float
    likeness: float | None


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """An answer without its items."""

    scores: tuple[KeptScore, ...]
    mode: str
    exact: bool
    waiting: int


def key_of(org_id: str, generations: Sequence[tuple[str, int]], embedder_id: str, request: object) -> str:
    """The key of a request of somebody who may search the scopes of these generations."""
    return PREFIX + sha256(encode((_FORM, org_id, generations, embedder_id, request))).hexdigest()


class AnswerCache:
    """Kept answers. Belongs to one event loop; no method raises for a cache that does not work.

    Args:
        shared: what replicas share; None: this process keeps its own. It keeps its own while that is away, too.
    """

    def __init__(self, clock: Clock, shared: Ephemeral | None = None, registry: Registry = REGISTRY) -> None:
        self._clock = clock
        self._shared = shared
        self._own: Cache[str, KeptAnswer] = Cache(KEPT_MAX, KEPT_S)
        self._registry = registry
        self._again_at = float("-inf")
        self._away = False
        self._used_at: float | None = None

    async def get(self, key: str) -> KeptAnswer | None:
        """The answer under this key, None where there is none."""
        self._used_at = self._clock.now()
        if not self._is_there():
            return self._own.get(key, self._clock.monotonic())
        raw = await self._ask(lambda shared: shared.get(key))
        if raw is None:
            return None
        try:
            return decode_as(raw, KeptAnswer)
        except ValueError:
            self._set_away("it answered something that was not kept there")
            return None

    async def put(self, key: str, answer: KeptAnswer, for_s: float = KEPT_S) -> None:
        """Keep an answer for `for_s` seconds, `KEPT_S` at the most."""
        for_s = min(for_s, KEPT_S)
        if for_s <= 0:
            return
        if self._is_there():
            text = encode_text(answer)
            await self._ask(lambda shared: shared.put(key, text, for_s))
        else:
            ends = self._clock.monotonic() + for_s
            self._own.filling(key)(answer, ends - KEPT_S)

    def count(self, *, hit: bool) -> None:
        """Count a search that an answer was kept for, or not."""
        self._registry.inc(HITS if hit else MISSES)

    async def look(self) -> Mapping[Component, Reading]:
        """Keeps an answer and reads it back."""
        probe = KeptAnswer((), f"probe at {self._clock.now()}", exact=True, waiting=0)
        used_at, key = self._used_at, key_of("", (), "", "probe")
        await self.put(key, probe, 60.0)
        works = await self.get(key) == probe and not self._away
        self._used_at = used_at
        return {Component.CACHE: Reading(State.WORKS if works else State.FAILS, used_at)}

    def _is_there(self) -> bool:
        return self._shared is not None and self._clock.monotonic() >= self._again_at

    async def _ask(self, call: Callable[[Ephemeral], Awaitable[T]]) -> T | None:
        assert self._shared is not None, "asked where nothing is shared"
        try:
            async with asyncio.timeout(WAIT_S):
                found = await call(self._shared)
        except TimeoutError:
            self._set_away(f"it took longer than {WAIT_S * 1e3:g} ms")
            return None
        except Unavailable as away:
            self._set_away(away.message)
            return None
        if self._away:
            self._away = False
            log.warning("answers of searches are shared through Redis again")
        return found

    def _set_away(self, reason: str) -> None:
        self._again_at = self._clock.monotonic() + AGAIN_S
        self._registry.inc(FAILURES)
        if not self._away:
            self._away = True
            log.warning("the cache of searches is away: each process keeps its own answers", reason=reason)
