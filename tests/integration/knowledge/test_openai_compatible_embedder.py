"""The embedder behind an address, against a server that sends what such servers send, and what broken ones send."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from aiohttp import web

from aragora.errors import InvalidInput, Misconfigured, Unavailable
from aragora.knowledge.search.embedders.openai_compatible import EmbeddingsAddress, OpenAICompatibleEmbedder

KEY = "sk-test-0123456789abcdef0123456789abcdef"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def vector_of(text: str) -> list[float]:
    """One that tells texts apart, not of length 1."""
    return [float(len(text)), float(text.count("a")) + 1.0, float(text.count("b")) + 1.0]


def body_of(texts: list[str], **more: Any) -> dict[str, Any]:
    data = [{"object": "embedding", "index": at, "embedding": vector_of(text)} for at, text in enumerate(texts)]
    return {"object": "list", "data": data, "model": "m", **more}


async def good(request: web.Request) -> web.Response:
    return web.json_response(body_of((await request.json())["input"]))


def answers(body: Any, status: int = 200, **headers: str) -> Handler:
    async def handler(_: web.Request) -> web.Response:
        text = body if isinstance(body, str) else json.dumps(body)
        return web.Response(text=text, status=status, content_type="application/json", headers=headers)

    return handler


@asynccontextmanager
async def embedding(handler: Handler, **settings: Any) -> AsyncIterator[OpenAICompatibleEmbedder]:
    app = web.Application(client_max_size=10**8)
    app.router.add_post("/v1/embeddings", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    embedder = OpenAICompatibleEmbedder(EmbeddingsAddress(address, KEY, "m", **{"dimension": 3, **settings}))
    try:
        yield embedder
    finally:
        await embedder.aclose()
        await runner.cleanup()


def unit(text: str) -> list[float]:
    row = np.array(vector_of(text))
    found: list[float] = (row / np.linalg.norm(row)).tolist()
    return found


async def test_texts_become_rows_of_length_1_in_their_order() -> None:
    async with embedding(good) as embedder:
        rows = await embedder.embed_passages(["aaa", "bb", "a b"])
        assert np.allclose(rows, [unit("aaa"), unit("bb"), unit("a b")], atol=1e-6)
        assert np.allclose(await embedder.embed_query("aaa"), unit("aaa"), atol=1e-6)
        assert (await embedder.embed_passages([])).shape == (0, 3)


async def test_many_texts_go_in_bounded_batches_with_key_model_and_prefixes() -> None:
    asked: list[list[str]] = []

    async def recording(request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == f"Bearer {KEY}"
        asked.append((await request.json())["input"])
        return await good(request)

    more = {"batch_texts": 4, "batch_bytes": 60, "query_prefix": "query: ", "passage_prefix": "passage: "}
    async with embedding(recording, **more) as embedder:
        await embedder.embed_passages(["a"] * 9 + ["b" * 45])
        await embedder.embed_query("a")
    assert [len(batch) for batch in asked] == [4, 4, 1, 1, 1]
    assert asked[0][0] == "passage: a"
    assert asked[-1] == ["query: a"]


async def test_rows_that_come_in_another_order_or_without_an_index_find_their_text() -> None:
    async def reversed_(request: web.Request) -> web.Response:
        body = body_of((await request.json())["input"])
        return web.json_response({"data": body["data"][::-1]})

    async def unnumbered(request: web.Request) -> web.Response:
        body = body_of((await request.json())["input"])
        return web.json_response({"data": [{"embedding": item["embedding"]} for item in body["data"]]})

    for handler in (reversed_, unnumbered):
        async with embedding(handler) as embedder:
            rows = await embedder.embed_passages(["aaa", "bb"])
            assert np.allclose(rows, [unit("aaa"), unit("bb")], atol=1e-6)


async def test_a_text_that_is_too_long_is_averaged_over_windows() -> None:
    seen: list[str] = []

    async def recording(request: web.Request) -> web.Response:
        seen.extend((await request.json())["input"])
        return await good(request)

    async with embedding(recording, window_tokens=8) as embedder:
        (row,) = await embedder.embed_passages(["word " * 20])
    assert "".join(seen) == "word " * 20
    assert len(seen) > 1
    assert all(len(text) <= 24 for text in seen)
    assert np.linalg.norm(row) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 422])
async def test_what_a_person_has_to_mend_is_misconfigured_and_never_tells_the_key(status: int) -> None:
    body = {"error": {"message": f"Incorrect API key provided: {KEY}", "code": "invalid_api_key"}}
    async with embedding(answers(body, status)) as embedder:
        with pytest.raises(Misconfigured, match=f"answered {status}") as refused:
            await embedder.embed_query("a")
    assert KEY not in refused.value.message
    assert KEY not in repr(embedder.embedder_id)
    assert KEY not in repr(EmbeddingsAddress("http://x", KEY, "m", 3))


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 529])
async def test_what_passes_is_unavailable_with_a_wait(status: int) -> None:
    async with embedding(answers({"error": {"message": "slow down"}}, status, **{"Retry-After": "7"})) as embedder:
        with pytest.raises(Unavailable, match=f"answered {status}") as refused:
            await embedder.embed_query("a")
    assert refused.value.retry_after_s == 7.0


async def test_another_dimension_is_misconfigured_and_names_both() -> None:
    async with embedding(good, dimension=384) as embedder:
        with pytest.raises(Misconfigured, match=r"vectors of 3 numbers, and the settings say 384"):
            await embedder.embed_query("a")


ODD: dict[str, Any] = {
    "no JSON": "oops",
    "a web page": "<html><body>hello</body></html>",
    "a number": 7,
    "a list": [],
    "no data": {"object": "list"},
    "data of another kind": {"data": "x"},
    "no rows": {"data": []},
    "too many rows": {"data": [{"embedding": [1, 2, 3]}] * 2},
    "an index beyond": {"data": [{"index": 5, "embedding": [1, 2, 3]}]},
    "an index that is none": {"data": [{"index": "0", "embedding": [1, 2, 3]}]},
    "texts for numbers": {"data": [{"index": 0, "embedding": ["x", "y", "z"]}]},
    "a row that is none": {"data": [{"index": 0, "embedding": None}]},
    "no direction": {"data": [{"index": 0, "embedding": [0, 0, 0]}]},
    "not finite": '{"data": [{"index": 0, "embedding": [NaN, 1, 1]}]}',
    "infinite": '{"data": [{"index": 0, "embedding": [1e999, 1, 1]}]}',
    "lists within": {"data": [{"index": 0, "embedding": [[1], [2], [3]]}]},
    "deep": "[" * 100_000,
    "an error with status 200": {"error": {"message": "no"}},
}


@pytest.mark.parametrize("body", ODD.values(), ids=ODD)
async def test_an_answer_that_cannot_be_used_is_unavailable(body: Any) -> None:
    async with embedding(answers(body)) as embedder:
        with pytest.raises(Unavailable, match="cannot be used"):
            await embedder.embed_query("a")


async def test_an_answer_without_an_end_is_not_read_to_it() -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        while True:
            await response.write(b" " * 65_536)

    async with embedding(endless) as embedder:
        with pytest.raises(Unavailable, match="far too long"):
            await embedder.embed_query("a")


async def test_a_server_that_does_not_answer_in_time_is_unavailable() -> None:
    stop = asyncio.Event()

    async def waiting(_: web.Request) -> web.Response:
        await stop.wait()
        return web.Response()

    async with embedding(waiting, timeout_s=0.2) as embedder:
        with pytest.raises(Unavailable, match=r"within 0\.2 s|could not be reached"):
            await embedder.embed_query("a")
        stop.set()


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/v1", "http://[::1", "nonsense"])
async def test_a_server_that_is_not_there_is_unavailable(address: str) -> None:
    embedder = OpenAICompatibleEmbedder(EmbeddingsAddress(address, KEY, "m", 3))
    with pytest.raises((Unavailable, Misconfigured)):
        await embedder.embed_query("a")
    await embedder.aclose()


async def test_blank_texts_are_refused_before_anything_is_sent() -> None:
    async with embedding(answers({}, 500)) as embedder:
        with pytest.raises(InvalidInput):
            await embedder.embed_passages(["a", "\u200b"])


async def test_a_closed_embedder_refuses() -> None:
    async with embedding(good) as embedder:
        await embedder.aclose()
        with pytest.raises(Unavailable, match="closed"):
            await embedder.embed_query("a")
