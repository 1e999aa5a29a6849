"""The index of meanings: a cache of the store in one process, and the lane that fills it.

Rules
- The store is the truth. The index is loaded from the vectors that are kept there, follows the ledgers of all
  workspaces, and answers with numbers of items and nothing else; what of them may be shown the store decides.
- Embedding is never a step of a write: what has no vector waits in the lane, the newest first, a few at a time. What
  does not fit into the lane is found again in the store once it is empty.
- Built anew, by request: what is in memory goes, and the stored vectors are loaded; searches go by words meanwhile.
  With `anew`, every vector is then computed again and takes the place of the stored one, after what waits in the lane.
  If the process ends before that is done, what is left keeps its vectors, and whoever wants them anew asks again.
- A second process that does the same by mistake makes the same vectors: nothing it writes is wrong, and a vector of an
  item that was reworded or forgotten meanwhile is refused by the store.
- One embedder is current: its vectors are searched. Where the settings name another one, that one is arriving: the lane
  makes its vectors beside those of the current one, and goes on after a stop where it stood. Once all are there it
  becomes current, and the vectors of the other are dropped; until then the old settings lose nothing but its vectors.
  Vectors of two embedders are never compared. Where the current one cannot be run any more, words alone are searched.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

import structlog

from aragora.background import Every
from aragora.clock import Clock
from aragora.errors import InvalidInput, TooLarge, Unavailable
from aragora.knowledge.embedder_check import EmbedderCheck
from aragora.knowledge.lane import Lane
from aragora.knowledge.model import Home
from aragora.knowledge.near import APART, IndexFigures, Near, Rebuild, Stage
from aragora.knowledge.rebuilding import Rebuilding
from aragora.knowledge.search.embedding import Embedder
from aragora.knowledge.search.vector_index import VectorIndex
from aragora.knowledge.search.vectors import Vector, Vectors
from aragora.knowledge.store.vectors import Place, Unembedded
from aragora.knowledge.vectored import Vectored
from aragora.resilience.cache import Cache

FRESH_S: Final = 0.5  # how old what the index knows of the ledgers may be
LANE_EVERY_S: Final = 2.0
LANE_BATCH: Final = 8  # texts: some tenths of a second of one processor
LANE_MAX: Final = 100_000  # items that wait by number
QUERIES_KEPT: Final = 1_000
QUERIES_KEPT_S: Final = 300.0

log = structlog.get_logger("aragora.knowledge")


class MoundIndex:
    """Belongs to one event loop.

    Args:
        embedder: of the settings.
        others: embedders that can be run besides: one of them may be the current one until `embedder` has arrived.
    """

    def __init__(
        self,
        store: Vectored,
        embedder: Embedder,
        clock: Clock,
        *,
        index: VectorIndex | None = None,
        others: Sequence[Embedder] = (),
    ) -> None:
        self._store = store
        self._wanted = embedder
        self._wanted_id = str(embedder.embedder_id)
        self._others = tuple(others)
        self._current: Embedder | None = None  # None where it cannot be run; before loading, too
        self._current_id = self._wanted_id
        self._moving = False  # whether the vectors of both embedders are in the index
        self._leftovers = False  # whether the store may hold vectors that nobody needs
        self._clock = clock
        self._index = index or VectorIndex()
        self._scopes: dict[int, tuple[str, ...]] = {}  # of each item in the index
        self._standing: dict[Home, int] = {}
        self._generations: dict[str, int] = {}
        self._loaded = False
        self._following = asyncio.Lock()
        self._followed_at = float("-inf")
        self._lane = Lane(LANE_MAX)
        self._unfound = 0  # of the lane, those that have no vector of the current embedder either
        self._oldest_s = 0.0
        self._queries: Cache[tuple[str, str], Vector] = Cache(QUERIES_KEPT, QUERIES_KEPT_S)
        self._check = EmbedderCheck(embedder, clock)
        self._rebuilding = Rebuilding()
        self._woken = asyncio.Event()
        self._every = Every("embedding of knowledge", LANE_EVERY_S, self.step, sleep=self._rest)

    def start(self) -> None:
        """Follow the store and embed in the background until `aclose`."""
        self._every.start()

    async def aclose(self) -> None:
        """Stop; what waits is found again by the next start."""
        await self._every.aclose()
        await self._check.aclose()
        for embedder in (self._wanted, *self._others):
            await embedder.aclose()
        self._index.close()

    @property
    def figures(self) -> IndexFigures:
        """How the index stands."""
        return IndexFigures(
            self._loaded, len(self._scopes), len(self._lane), self._oldest_s, self._index.size_bytes, self.arriving
        )

    @property
    def arriving(self) -> bool:
        """Whether the embedder of the settings is not the current one yet."""
        return self._current_id != self._wanted_id

    async def looked(self) -> IndexFigures:
        """How the index stands, beside what the store has, and whether the embedder works: it is tried. Raises
        Unavailable."""
        embeds = await self._check.works()
        stored = await self._stored()
        return replace(self.figures, stored=stored, embeds=embeds)

    @property
    def busy(self) -> bool:
        """Whether items wait to be embedded or vectors to be dropped, or the index is being built anew."""
        return bool(self._lane) or self.arriving or self._leftovers or self._rebuilding.stage is not Stage.DONE

    def wake(self) -> None:
        """Items are new: look at once, and not only when it is time."""
        self._followed_at = float("-inf")
        self._woken.set()

    def rebuild(self, *, anew: bool) -> Rebuild:
        """Have the index built anew from the store in the background; `anew` has every vector computed again as well.
        While that goes on, asking again changes nothing, except that `anew` is added."""
        self._woken.set()
        return self._rebuilding.asked(anew=anew, now=self._clock.now())

    @property
    def rebuilding(self) -> Rebuild | None:
        """How far that is, or how the last one ended; None where nobody asked this process for one."""
        return self._rebuilding.last

    async def nearest(self, scopes: Collection[str], question: str, k: int, allowed: Collection[int] | None) -> Near:
        """The `k` items of these scopes that are nearest to a question, and not below the embedder's floor; of
        `allowed`, where given. Raises Unavailable while the index is loaded, or the current embedder cannot be run;
        InvalidInput for a blank question."""
        asked = self._current or self._wanted
        query = await self._query(asked, question)
        await self.follow()
        if not self._loaded:
            raise Unavailable("the index of meanings is being loaded", code="index_loading", retry_after_s=1.0)
        while self._current is not asked:  # it changed meanwhile
            if self._current is None:
                raise Unavailable(
                    f"the embedder was changed: {len(self._lane)} items are to be embedded anew, and until then words "
                    "alone are searched",
                    code="embedder_arriving",
                    retry_after_s=60.0,
                )
            asked = self._current
            query = await self._query(asked, question)
        hits = self._index.nearest(
            self._current_id,
            scopes,
            query,
            k,
            allowed=None if allowed is None else {str(item_no) for item_no in allowed},
            floor=asked.floor,
        )
        best: dict[int, float] = {}
        for hit in hits:  # a shared item stands in two scopes
            best.setdefault(int(hit.id), hit.cosine)
        return Near(
            tuple(best.items()),
            all(self._index.is_exact(self._current_id, scope) for scope in scopes),
            self._unfound if self.arriving else len(self._lane),
            asked.sure,
            self._current_id,
            {scope: self._generations.get(scope, 0) for scope in scopes},
        )

    async def step(self) -> bool:
        """Follow the store, and embed one batch or do what is next; whether there is more. Raises Unavailable."""
        self._woken.clear()
        if self._rebuilding.stage is Stage.LOADING:
            await self._load_anew()
        elif not self._loaded:
            await self._load()
        await self.follow()
        if not self._lane and (self._lane.overflowed or self.arriving):
            await self._refill()
        if not self._lane:
            self._oldest_s = 0.0
            return await self._else()
        numbers = self._lane.newest(LANE_BATCH)
        if self._current is not None and self.arriving:  # what is new is found meanwhile, too
            await self._embed(self._current, await self._store.wordings(self._current_id, numbers))
        wordings = await self._store.wordings(self._wanted_id, numbers)
        now = self._clock.now()
        self._oldest_s = max((now - one.changed_at for one in wordings), default=0.0)
        await self._embed(self._wanted, wordings)
        self._lane.done(numbers)
        return self.busy

    async def _else(self) -> bool:
        """What is next where no item waits; whether there is more."""
        if self.arriving:
            await self._move()
        elif self._leftovers:
            self._leftovers = await self._store.drop_others(self._wanted_id) > 0
        else:
            return await self._embed_anew()
        return self.busy

    async def follow(self) -> None:
        """Know what changed in the store up to `FRESH_S` seconds ago. Raises Unavailable."""
        if not self._loaded or self._clock.monotonic() - self._followed_at < FRESH_S:
            return
        async with self._following:
            if not self._loaded or self._clock.monotonic() - self._followed_at < FRESH_S:
                return
            began = self._clock.monotonic()
            generations = await self._store.generations()  # first: the ledgers are followed at least as far
            for home, seq in (await self._store.standing()).items():
                known = self._standing.get(home, 0)
                while known < seq:
                    after, places = await self._store.changed(home, known)
                    await self._place(places)
                    self._standing[home] = known = after if after > known else seq
            self._generations = generations
            self._unfound = sum(item_no not in self._scopes for item_no in self._lane) if self.arriving else 0
            self._followed_at = began

    async def _load(self) -> None:
        standing = await self._store.standing()  # first: what changes meanwhile is followed afterwards
        current_id = await self._store.current(self._wanted_id, self._clock.now())
        if current_id != self._wanted_id and not await self._store.count(current_id):  # it has nothing to lose
            await self._store.make_current(self._wanted_id, current_id, self._clock.now())
            current_id = await self._store.current(self._wanted_id, self._clock.now())
        able = {str(one.embedder_id): one for one in (*self._others, self._wanted)}
        self._current, self._current_id = able.get(current_id), current_id
        if self._current is not None:
            await self._read(current_id)
        self._standing = standing
        await self._refill()
        self._loaded = True
        self._leftovers = not self.arriving
        log.info(
            "the index of meanings is loaded",
            vectors=len(self._scopes),
            waiting=len(self._lane),
            arriving=self._wanted_id if self.arriving else None,
        )

    async def _read(self, embedder_id: str) -> None:
        """Load the vectors of an embedder."""
        after = 0
        while True:
            places, vectors = await self._store.page(embedder_id, after)
            if vectors is None:
                return
            self._put(embedder_id, places, vectors)
            after = places[-1].item_no
            self._rebuilding.loaded(len(self._scopes))

    async def _move(self) -> None:
        """Search the vectors of the embedder that has arrived, and no others any more. Searches go on meanwhile."""
        gone, self._moving = self._current_id, True
        try:
            standing = dict(self._standing)
            await self._read(self._wanted_id)
            self._standing, self._followed_at = standing, float("-inf")  # what changed meanwhile may be as it was
            await self.follow()
            await self._store.make_current(self._wanted_id, gone, self._clock.now())
        except BaseException:
            self._index.drop_embedder(self._wanted_id)
            raise
        finally:
            self._moving = False
        self._current, self._current_id = self._wanted, self._wanted_id
        self._index.drop_embedder(gone)
        self._leftovers = True
        log.info("the embedder has changed", vectors=len(self._scopes), instead_of=gone, now=self._wanted_id)

    async def _load_anew(self) -> None:
        """Drop what is in memory and load what is stored. Where that fails, the next step begins again."""
        async with self._following:
            self._loaded = False
            self._index.drop_embedder(self._current_id)
            self._scopes.clear()
            self._lane.clear()
            self._rebuilding.loads(await self._store.count(self._current_id))
            await self._load()
        if self._rebuilding.embeds:
            self._rebuilding.begins_to_embed(await self._store.count_findable())
        else:
            self._rebuilding.ended(self._clock.now())

    async def _embed_anew(self) -> bool:
        """Compute the vectors of one batch again, the newest items first; whether more waits."""
        if self._rebuilding.stage is not Stage.EMBEDDING:
            return False
        found = await self._store.findable(self._rebuilding.before, LANE_BATCH)
        if not found:
            self._rebuilding.ended(self._clock.now())
            log.info("the vectors of all items are computed again")
            return False
        made = await self._embed(self._wanted, found)
        self._rebuilding.embedded(len(found), made, before=found[-1].item_no)
        return True

    async def _stored(self) -> int | None:
        """How many vectors the store has. Where the index differs, it follows the store first, and both are counted
        again: what is hidden elsewhere leaves the store at once."""
        for _ in range(2):
            if not self._loaded or self._current is None:
                return None
            stored = await self._store.count(self._current_id)
            if abs(stored - len(self._scopes)) <= APART:
                return stored
            self._followed_at = float("-inf")
            await self.follow()
        return stored if self._loaded else None

    async def _rest(self, for_s: float) -> None:
        """Until the next step: so many seconds, or until somebody wakes the index."""
        with suppress(TimeoutError):
            async with asyncio.timeout(for_s):
                await self._woken.wait()

    async def _refill(self) -> None:
        self._lane.filled(await self._store.unembedded(self._wanted_id, LANE_MAX))

    async def _place(self, places: Sequence[Place]) -> None:
        """Take over where items may be found now: those that changed are dropped, and come back as they are now."""
        for place in places:
            self._drop(place.item_no)
        shown = [place for place in places if place.scopes]
        for start in range(0, len(shown), 500):
            numbers = [place.item_no for place in shown[start : start + 500]]
            missing = await self._take(self._current_id, numbers)
            if self._moving:
                missing |= await self._take(self._wanted_id, numbers)
            for item_no in numbers if self.arriving and not self._moving else missing:
                self._lane.wait_for(item_no)

    async def _take(self, embedder_id: str, numbers: Sequence[int]) -> set[int]:
        """Take over the vectors of these items; returns those that have none."""
        held, vectors = await self._store.of(embedder_id, numbers)
        if vectors is not None:
            self._put(embedder_id, held, vectors)
        return set(numbers) - {place.item_no for place in held}

    async def _embed(self, embedder: Embedder, wordings: Sequence[Unembedded]) -> int:
        """Embed these and take them over; how many got a vector."""
        embedder_id = str(embedder.embedder_id)
        made: dict[int, tuple[int, Vector]] = {}
        for one in wordings:
            try:
                vectors = await embedder.embed_passages([one.text])
            except (InvalidInput, TooLarge) as refused:  # it is found by its words alone
                log.info("an item cannot be embedded", item_no=one.item_no, error=refused.message)
                self._lane.refuse(one.item_no)
                continue
            made[one.item_no] = (one.version, vectors[0])
        kept = await self._store.put(embedder_id, made)
        if kept and embedder_id == self._current_id:
            await self._take(embedder_id, sorted(kept))
        return len(made)

    async def _query(self, embedder: Embedder, question: str) -> Vector:
        now, key = self._clock.monotonic(), (str(embedder.embedder_id), question)
        known = self._queries.get(key, now)
        if known is not None:
            return known
        fill = self._queries.filling(key)
        made = await embedder.embed_query(question)
        fill(made, now)
        return made

    def _put(self, embedder_id: str, places: Sequence[Place], vectors: Vectors) -> None:
        by_scope: dict[str, list[int]] = {}
        for row, place in enumerate(places):
            if not place.scopes:
                continue
            self._scopes[place.item_no] = place.scopes
            for scope in place.scopes:
                by_scope.setdefault(scope, []).append(row)
        for scope, rows in by_scope.items():
            self._index.put(embedder_id, scope, [str(places[row].item_no) for row in rows], vectors[rows])

    def _drop(self, item_no: int) -> None:
        for scope in self._scopes.pop(item_no, ()):
            self._index.drop(scope, (str(item_no),))
        self._lane.changed(item_no)
