"""Decisions that are given again: `python -m benchmarks.decisions [--hits N] [--entries N] [--equal N]`.

One system of stub agents. A question is decided, then asked again one request after the other, in turn with a read of
its debate and a question after the server's health: all three meet the same moments, and the health is the floor of
what any route costs. N equal questions are asked at once; N entries of a workspace are written into the store, and
invalidated as a program of the operator's does it. Prints one JSON line for each figure, with its goal and whether it
is met.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import aiohttp
from sqlalchemy import insert

from aragora.background import wait_until
from aragora.config.settings import Settings
from aragora.decisions.response_cache import ResponseCache
from aragora.decisions.store.entries import Entries
from aragora.decisions.store.tables import decision_entries
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from benchmarks.figures import percentile, rounded
from benchmarks.load import AGENTS
from benchmarks.system import running

HIT_P99_MS: Final = 3.0
IN_PROCESS_P99_MS: Final = 1.0
INVALIDATION_MS: Final = 100.0
DECIDED_S: Final = 60.0
WARM: Final = 300
"""Rounds before the measured ones."""
TIMEOUT: Final = aiohttp.ClientTimeout(total=60.0)
PATH: Final = "/api/decisions"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--hits", type=int, default=2_000)
    parser.add_argument("--entries", type=int, default=10_000)
    parser.add_argument("--equal", type=int, default=100)
    given = parser.parse_args()
    _tell_in_process(given.hits)
    with running(stubs=len(AGENTS), latency_ms=0.0, http=True) as system:
        url = f"http://127.0.0.1:{system.http_port}"
        asyncio.run(_measure(url, system.settings, given.hits, given.entries, given.equal))


async def _measure(url: str, settings: Settings, hits: int, entries: int, equal: int) -> None:
    connector = aiohttp.TCPConnector(limit=equal)
    async with aiohttp.ClientSession(url, timeout=TIMEOUT, connector=connector) as session:
        asked = {"question": "Should we move the orders to PostgreSQL?", "agents": AGENTS, "rounds": 1}
        debate = (await _ask(session, asked))["debate_id"]

        async def kept() -> bool:
            return bool((await _ask(session, asked))["cached"])

        if not await wait_until(kept, limit_s=DECIDED_S, every_s=0.2):
            raise TimeoutError(f"not decided within {DECIDED_S:g} s")
        await _in_turn(session, asked, debate, WARM)  # what the debate left to do ends, and paths are compiled
        for what, took_ms in (await _in_turn(session, asked, debate, hits)).items():
            _tell(what, took_ms, HIT_P99_MS)
        again = {**asked, "question": "Should we do all of this at once?"}
        answers = await asyncio.gather(*(_ask(session, again) for _ in range(equal)))
        debates = len({one["debate_id"] for one in answers})
        print(
            json.dumps(
                {"figure": f"{equal} equal questions at once", "debates": debates, "goal": 1, "met": debates == 1}
            )
        )
    await _invalidations(settings, entries)


async def _ask(session: aiohttp.ClientSession, asked: dict[str, Any]) -> dict[str, Any]:
    async with session.post(PATH, json=asked) as answer:
        answer.raise_for_status()
        told: dict[str, Any] = await answer.json()
        return told


async def _in_turn(
    session: aiohttp.ClientSession, asked: dict[str, Any], debate: str, times: int
) -> dict[str, list[float]]:
    """How long a hit, a read of its debate and the health took, in ms, each `times` times."""

    async def hit() -> None:
        if not (await _ask(session, asked))["cached"]:
            raise ValueError("a hit was wanted")

    ways: dict[str, Callable[[], Awaitable[None]]] = {
        "hit over HTTP": hit,
        "GET of its debate, to compare with": lambda: _read(session, f"/api/debates/{debate}"),
        "GET /api/health, the floor": lambda: _read(session, "/api/health"),
    }
    took_ms: dict[str, list[float]] = {what: [] for what in ways}
    for _ in range(times):
        for what, way in ways.items():
            began = time.perf_counter()
            await way()
            took_ms[what].append(1e3 * (time.perf_counter() - began))
    return took_ms


async def _read(session: aiohttp.ClientSession, path: str) -> None:
    async with session.get(path) as answer:
        answer.raise_for_status()
        await answer.json()


async def _invalidations(settings: Settings, count: int) -> None:
    database = Database.open(settings, Context.DEBATES)
    entries = Entries(database)
    try:
        for kind in ("workspace", "agent", "tag"):
            async with database.writing() as connection:
                await connection.execute(insert(decision_entries), [_row(number) for number in range(count)])
            began = time.perf_counter()
            if kind == "workspace":
                gone = await entries.invalidate_workspace("ws-1")
            elif kind == "agent":
                gone = await entries.invalidate_agent("claude", "3.5")
            else:
                gone = await entries.invalidate_tag("urgent")
            took_ms = 1e3 * (time.perf_counter() - began)
            if gone != count:
                raise ValueError(f"{gone} entries were invalidated, not {count}")
            told = {"figure": f"{count} entries by {kind}", "ms": took_ms, "goal_ms": INVALIDATION_MS}
            print(json.dumps(rounded({**told, "met": took_ms <= INVALIDATION_MS})))
    finally:
        await database.aclose()


def _row(number: int) -> dict[str, Any]:
    return {
        "key": f"{number:064x}",
        "near_key": f"{number:064x}",
        "org_id": "local",
        "workspace": "ws-1",
        "policy": 0,
        "knowledge": "0.0",
        "debate_id": f"deb_{number}",
        "question": f"Question number {number}?",
        "agents": '{"claude":"claude-3-5-sonnet","gpt":"gpt-4.1"}',
        "tags": '["urgent"]',
        "claimed_at": 1.0,
        "opened_at": 1.0,
        "kept_at": 1.0,
        "ends_at": 4e9,
        "size_bytes": 10_000,
    }


def _tell_in_process(times: int) -> None:
    cache = ResponseCache()
    cache.set("a", {"decision": "approve", "answer": "x" * 2_000})
    took_ms = []
    for _ in range(times):
        began = time.perf_counter()
        cache.get("a")
        took_ms.append(1e3 * (time.perf_counter() - began))
    _tell("hit of ResponseCache", took_ms, IN_PROCESS_P99_MS)


def _tell(what: str, took_ms: list[float], goal_ms: float) -> None:
    ascending = sorted(took_ms)
    p99 = percentile(ascending, 0.99)
    told = {"figure": what, "p50_ms": percentile(ascending, 0.5), "p99_ms": p99, "goal_p99_ms": goal_ms}
    print(json.dumps(rounded({**told, "met": p99 <= goal_ms})))


if __name__ == "__main__":
    main()
