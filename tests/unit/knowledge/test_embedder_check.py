"""An embedder is tried with a known text: only the known vector says that it works."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from worlds.backends import SetClock
from worlds.meanings import WordEmbedder

from aragora.errors import Unavailable
from aragora.knowledge import embedder_check
from aragora.knowledge.embedder_check import (
    OTHERS_S,
    OWN_S,
    REFERENCES,
    SLOW_S,
    TEXT,
    EmbedderCheck,
    agrees,
    as_reference,
    read_reference,
)
from aragora.knowledge.search.embedding import units
from aragora.knowledge.search.vectors import Vector


class Tried(WordEmbedder):
    """Counts the questions; `says` takes the place of their meaning, `waits` holds them up."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.says = TEXT
        self.away = False
        self.waits: asyncio.Event | None = None

    async def embed_query(self, text: str) -> Vector:
        self.asked += 1
        if self.waits is not None:
            await self.waits.wait()
        if self.away:
            raise Unavailable("the embedder is away")
        return await super().embed_query(self.says)


async def test_an_embedder_works_while_it_gives_the_known_vector() -> None:
    embedder, clock = Tried(), SetClock()
    known = as_reference(await WordEmbedder().embed_query(TEXT))
    check = EmbedderCheck(embedder, clock, {"words": known})
    assert await check.works() is True
    assert await check.works() is True
    assert embedder.asked == 1
    embedder.says = "something else altogether"
    clock.at += OWN_S
    assert await check.works() is False
    embedder.says = TEXT
    clock.at += OWN_S
    assert await check.works() is True


async def test_one_that_is_not_known_is_held_to_its_first_vector_and_asked_seldom() -> None:
    embedder, clock = Tried(), SetClock()
    check = EmbedderCheck(embedder, clock, {})
    assert await check.works() is True
    clock.at += OWN_S
    assert await check.works() is True
    assert embedder.asked == 1
    embedder.says = "another model answers now"
    clock.at += OTHERS_S
    assert await check.works() is False


async def test_one_that_is_away_does_not_work() -> None:
    embedder = Tried()
    embedder.away = True
    assert await EmbedderCheck(embedder, SetClock(), {}).works() is False


async def test_nobody_waits_for_one_that_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedder_check, "WAIT_S", 0.01)
    embedder, clock = Tried(), SetClock()
    embedder.waits = asyncio.Event()
    check = EmbedderCheck(embedder, clock, {})
    assert await check.works() is None  # it may be loading
    clock.at += SLOW_S + 1.0
    assert await check.works() is False
    assert embedder.asked == 1
    await check.aclose()


async def test_rounding_makes_no_other_vector_and_another_dimension_does() -> None:
    vector = await WordEmbedder().embed_query(TEXT)
    noise = np.random.default_rng(7).standard_normal(vector.shape) * 0.003
    assert agrees(units(vector + noise), vector)
    assert agrees(read_reference(as_reference(vector)), vector)
    assert not agrees(vector[:-1], vector)


def test_the_reference_of_the_embedded_model_is_a_vector_of_its_dimension() -> None:
    (reference,) = REFERENCES.values()
    assert read_reference(reference).shape == (384,)
