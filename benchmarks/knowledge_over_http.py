"""What knowledge costs over HTTP, with its embedding: `python -m benchmarks.knowledge_over_http [--items N]`.

One system of stub agents that answer at once. Real English is added and embedded by the embedded model; then questions
that were never asked before are searched one after the other, and debates are opened one after the other, with and
without an offer of knowledge. Prints a JSON line for each: the time of a search, and from a debate's POST to the first
answer of an agent.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import aiohttp

from aragora.background import wait_until
from benchmarks.figures import percentile, rounded
from benchmarks.knowledge.known_items import pairs
from benchmarks.load import AGENTS
from benchmarks.system import running

BATCH: Final = 100
EMBEDDED_S: Final = 600.0
LOOK_S: Final = 0.2
TIMEOUT: Final = aiohttp.ClientTimeout(total=60.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--items", type=int, default=500)
    parser.add_argument("--asked", type=int, default=60, help="searches, and debates of each kind")
    given = parser.parse_args()
    with running(stubs=len(AGENTS), latency_ms=0.0, http=True) as system:
        asyncio.run(_measure(f"http://127.0.0.1:{system.http_port}", given.items, given.asked))


async def _measure(url: str, items: int, asked: int) -> None:
    known = pairs(max(items, 3 * (asked + 1)))
    async with aiohttp.ClientSession(url, timeout=TIMEOUT) as session:
        await _added(session, [pair.answer for pair in known[:items]])
        questions = iter([pair.question for pair in known])

        async def search() -> str:
            async with session.get("/api/knowledge/search", params={"q": next(questions)}) as answer:
                answer.raise_for_status()
                return str((await answer.json())["mode"])

        async def first_answer() -> str:
            body = {"question": next(questions), "agents": AGENTS, "rounds": 1}
            async with session.post("/api/debates", json=body) as answer:
                answer.raise_for_status()
                debate = f"/api/debates/{(await answer.json())['debate_id']}"
            await _until(session, debate)
            return ""

        _tell("search", items, await _timed(search, asked))
        await _offer(session, on=True)
        _tell("first answer, with an offer", items, await _timed(first_answer, asked))
        await _offer(session, on=False)
        _tell("first answer, without", items, await _timed(first_answer, asked))


async def _added(session: aiohttp.ClientSession, texts: Sequence[str]) -> None:
    """Adds them, and waits until all have a vector."""
    for start in range(0, len(texts), BATCH):
        body = {"items": [{"content": text, "kind": "fact"} for text in texts[start : start + BATCH]]}
        async with session.post("/api/knowledge/items", json=body) as answer:
            answer.raise_for_status()

    async def embedded() -> bool:
        async with session.get("/api/knowledge/search", params={"q": "what is a file"}) as answer:
            told = await answer.json()
            return bool(told["mode"] == "hybrid" and not told["waiting"])

    if not await wait_until(embedded, limit_s=EMBEDDED_S, every_s=LOOK_S):
        raise TimeoutError(f"not embedded within {EMBEDDED_S:g} s")


async def _offer(session: aiohttp.ClientSession, *, on: bool) -> None:
    async with session.put("/api/knowledge/workspaces", json={"workspace": "default", "offers": on}) as answer:
        answer.raise_for_status()


async def _until(session: aiohttp.ClientSession, debate: str) -> None:
    """Until an agent has answered."""
    while True:
        async with session.get(f"{debate}/events") as answer:
            events: list[dict[str, Any]] = (await answer.json())["events"]
        if any(event["type"] == "agent_message" for event in events):
            return


async def _timed(ask: Callable[[], Awaitable[str]], times: int) -> tuple[list[float], int]:
    """Milliseconds of each, ascending, and how many had words alone."""
    took_ms, words = [], 0
    await ask()
    for _ in range(times):
        began = time.perf_counter()
        words += await ask() == "lexical"
        took_ms.append(1e3 * (time.perf_counter() - began))
    return sorted(took_ms), words


def _tell(what: str, items: int, timed: tuple[list[float], int]) -> None:
    took_ms, words = timed
    figures: dict[str, object] = {
        "what": what,
        "items": items,
        "p50_ms": percentile(took_ms, 0.5),
        "p95_ms": percentile(took_ms, 0.95),
        "p99_ms": percentile(took_ms, 0.99),
        "by_words_alone": words,
    }
    print(json.dumps(rounded(figures)), flush=True)


if __name__ == "__main__":
    main()
