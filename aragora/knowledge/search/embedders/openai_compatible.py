"""An embedder behind an address with OpenAI's interface (`POST /embeddings`): OpenAI, and the servers of local models.

Texts go in batches of a bounded number and size, one request after the other, each within a time limit. What comes back
is not believed: its size is bounded, the rows must be as many as the texts, each of the dimension that the settings
name, finite and with a direction.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from aragora import limits
from aragora.agents import causes
from aragora.agents.providers import sdk
from aragora.agents.providers.bounded import event_hooks
from aragora.agents.providers.told import told_in
from aragora.errors import AragoraError, Misconfigured, Unavailable
from aragora.knowledge.search.embedding import EmbedderId, all_embeddable, averaged, embeddable, units, windows
from aragora.knowledge.search.vectors import Vector, Vectors
from aragora.resilience.backoff import parse_retry_after

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_NUMBER_MAX_BYTES: Final = 32  # of one number of a vector, as JSON
_REST_MAX_BYTES: Final = 65_536
_PASSING: Final = frozenset({408, 409, 425, 429})
_FIRST_FAULT: Final = 500
_RETRY_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class EmbeddingsAddress:
    """Where texts are embedded, and how.

    Args:
        address: of the API, up to and without `/embeddings`.
        key: sent as a bearer token; any text where the server wants none.
        model: asked for.
        dimension: numbers of each of its vectors.
        window_tokens: what the model takes at most; longer texts are split.
        query_prefix, passage_prefix: put before each text, where the model was trained with them.
        floor, sure: as of the port, measured for this model; without a measurement nothing is below or above.
        timeout_s: of one request.
        batch_texts, batch_bytes: of one request at most.
    """

    address: str
    key: str = field(repr=False)
    model: str
    dimension: int
    window_tokens: int = 512
    query_prefix: str = ""
    passage_prefix: str = ""
    floor: float = -1.0
    sure: float = 1.0
    timeout_s: float = 30.0
    batch_texts: int = 64
    batch_bytes: int = 200_000


class OpenAICompatibleEmbedder:
    """Each call may be one of several at once; each makes one request at a time."""

    def __init__(self, settings: EmbeddingsAddress) -> None:
        prefix = f"{settings.query_prefix}/{settings.passage_prefix}"
        window = f"{settings.window_tokens}-tokens-mean"
        self.embedder_id = EmbedderId(settings.model, "openai", settings.dimension, prefix, "l2", window)
        self.floor = settings.floor
        self.sure = settings.sure
        self._settings = settings
        self._window_bytes = settings.window_tokens * limits.BYTES_PER_TOKEN
        self._failures = sdk.Failures("The embeddings address", settings.key)
        self._client = sdk.LazyClient(lambda: _client(settings))
        self._closed = False

    async def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """As the port says."""
        return await self._embedded(all_embeddable(texts), self._settings.passage_prefix)

    async def embed_query(self, text: str) -> Vector:
        """As the port says."""
        row: Vector = (await self._embedded([embeddable(text)], self._settings.query_prefix))[0]
        return row

    async def aclose(self) -> None:
        """As the port says."""
        self._closed = True
        if self._client.built is not None:
            await self._client.built.close()

    async def _embedded(self, texts: Sequence[str], prefix: str) -> Vectors:
        split = [windows(text, self._window_bytes) for text in texts]
        asked = [prefix + window for of_text in split for window in of_text]
        rows = np.zeros((0, self._settings.dimension), np.float32)
        for batch in _batches(asked, self._settings):
            rows = np.concatenate((rows, await self._asked(batch)))
        vectors = np.zeros((len(texts), self._settings.dimension), np.float32)
        start = 0
        for number, of_text in enumerate(split):
            weights = [float(len(window)) for window in of_text]
            vectors[number] = self._whole(rows[start : start + len(of_text)], weights)
            start += len(of_text)
        return vectors

    def _whole(self, rows: Vectors, weights: Sequence[float]) -> Vector:
        try:
            return averaged(rows, weights)
        except ValueError as error:
            raise _unusable(str(error)) from None

    async def _asked(self, batch: Sequence[str]) -> Vectors:
        if self._closed:
            raise Unavailable("The embedder is closed.")
        client = await self._built()
        import httpx2  # noqa: PLC0415  imported already, in the client's thread
        import openai  # noqa: PLC0415

        most = len(batch) * self._settings.dimension * _NUMBER_MAX_BYTES + _REST_MAX_BYTES
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                body = await self._body(client, batch, most)
        except TimeoutError:
            raise Unavailable(
                f"The embeddings address did not answer within {self._settings.timeout_s:g} s; try again.",
                retry_after_s=_RETRY_S,
            ) from None
        except openai.APIStatusError as error:
            raise self._refused(*sdk.answer_of(error), error.response.headers.get("retry-after")) from None
        except (openai.APIError, httpx2.HTTPError, httpx2.StreamError, httpx2.InvalidURL) as error:
            raise Unavailable(
                f"The embeddings address could not be reached ({type(error.__cause__ or error).__name__}); check that "
                "its server runs, and its address in the settings.",
                retry_after_s=_RETRY_S,
            ) from None
        return self._rows(body, len(batch))

    async def _built(self) -> AsyncOpenAI:
        try:
            return await self._client.get()
        except Exception as error:  # noqa: BLE001  whatever the SDK makes of an address that is none
            name = type(error).__name__
            raise Misconfigured(f"The embeddings address cannot be used ({name}); check it in the settings.") from None

    async def _body(self, client: AsyncOpenAI, batch: Sequence[str], most_bytes: int) -> bytes:
        asking = client.embeddings.with_streaming_response.create(
            model=self._settings.model, input=list(batch), encoding_format="float", timeout=self._settings.timeout_s
        )
        body = bytearray()
        async with asking as response:
            async for piece in response.iter_bytes():
                body += piece
                if len(body) > most_bytes:
                    raise _unusable("it is far too long")
        return bytes(body)

    def _refused(self, status: int, body: object, wait: str | None) -> AragoraError:
        told = told_in(body)
        wait_s = parse_retry_after(wait, 0.0) if wait and wait.isdecimal() else None
        code = causes.code_of(status, told.all, waits=wait_s is not None)
        words = "a web page" if told.is_page else self._failures.clean(told.words or told.marks)
        text = f"The embeddings address answered {status}: {words}."
        if code in causes.LASTING or not (status in _PASSING or status >= _FIRST_FAULT):
            remedy = causes.remedy_of(code) if code in causes.LASTING else "Check its address, key and model."
            return Misconfigured(f"{text} {remedy}")
        return Unavailable(f"{text} Try again later.", retry_after_s=wait_s or _RETRY_S)

    def _rows(self, body: bytes, count: int) -> Vectors:
        """The rows of an answer in the order of the texts."""
        try:
            data = json.loads(body)["data"]
            rows = {_index(item, place): item["embedding"] for place, item in enumerate(data)}
            if len(data) != count or rows.keys() != set(range(count)):
                raise _unusable(f"it has {len(data)} vectors for {count} texts")
            lengths = {len(row) for row in rows.values()}
            if lengths != {self._settings.dimension}:
                raise Misconfigured(
                    f"The embeddings address gives vectors of {_named(lengths)} numbers, and the settings say "
                    f"{self._settings.dimension}; set the dimension of its model."
                )
            if any(isinstance(number, list) for row in rows.values() for number in row):
                raise _unusable("its vectors hold lists")
            return units([rows[number] for number in range(count)])
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
            raise _unusable(self._failures.clean(str(error))) from None


def _index(item: Any, place: int) -> int:
    """Some servers leave the index out, and then send the rows in order."""
    index = item.get("index", place) if isinstance(item, dict) else place
    return index if isinstance(index, int) and not isinstance(index, bool) else -1


def _named(lengths: set[int]) -> str:
    return " and ".join(map(str, sorted(lengths)[:3]))


def _unusable(why: str) -> Unavailable:
    return Unavailable(
        f"The embeddings address sent an answer that cannot be used: {why}. Check that it is one of embeddings.",
        retry_after_s=_RETRY_S,
    )


def _batches(texts: Sequence[str], settings: EmbeddingsAddress) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for text in texts:
        length = len(text.encode())
        if batch and (len(batch) >= settings.batch_texts or size + length > settings.batch_bytes):
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += length
    if batch:
        yield batch


def _client(settings: EmbeddingsAddress) -> AsyncOpenAI:
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient  # noqa: PLC0415  heavy: only where it is used

    http = DefaultAsyncHttpxClient(event_hooks=event_hooks())
    return AsyncOpenAI(api_key=settings.key, base_url=settings.address, max_retries=0, http_client=http)
