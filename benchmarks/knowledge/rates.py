"""How many texts a second are read into tokens, and embedded."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

from aragora.knowledge.search.embedders.embedded import EmbeddedEmbedder
from aragora.knowledge.search.tokens import document_tokens
from benchmarks.figures import percentile
from benchmarks.knowledge.known_items import pairs
from benchmarks.knowledge.options import Options
from benchmarks.webhooks.options import Line


def run_tokens(options: Options) -> Iterator[Line]:
    """Documents of some 50 words, and the same in a script without spaces."""
    english = [pair.answer for pair in pairs(options.texts)]
    unspaced = ["\u91cd\u8bd5\u9884\u7b97\u7684\u503c\u662f\u4e8c\u5341" * (len(text) // 27 + 1) for text in english]
    for name, texts in (("English", english), ("Chinese", unspaced)):
        began = time.perf_counter()
        tokens = sum(len(document_tokens(text).split()) for text in texts)
        took_s = time.perf_counter() - began
        yield Line("tokens", {"texts": name, "texts_per_s": len(texts) / took_s, "tokens_per_s": tokens / took_s})


def run_embedding(options: Options) -> Iterator[Line]:
    """Passages one after the other, and queries, each on one processor."""
    yield asyncio.run(_embedded(options))


async def _embedded(options: Options) -> Line:
    embedder = EmbeddedEmbedder()
    known = pairs(options.texts)
    await embedder.embed_query(known[0].question)
    await embedder.embed_passages([known[0].answer])
    cpu = time.process_time()
    began = time.perf_counter()
    await embedder.embed_passages([pair.answer for pair in known])
    passages_s, passages_cpu_s = time.perf_counter() - began, time.process_time() - cpu
    queries_ms = []
    for pair in known:
        began = time.perf_counter()
        await embedder.embed_query(pair.question)
        queries_ms.append(1e3 * (time.perf_counter() - began))
    await embedder.aclose()
    queries_ms.sort()
    figures = {
        "embedder": str(embedder.embedder_id),
        "passages_per_s": len(known) / passages_s,
        "passage_cpu_ms": 1e3 * passages_cpu_s / len(known),
        "query_p50_ms": percentile(queries_ms, 0.5),
        "query_p99_ms": percentile(queries_ms, 0.99),
    }
    return Line("embedding", figures)
