"""The runbook's lines for the decision router, as they are printed, beside replicas that answer (C6: from another
process, C9: the documentation's examples)."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Final

import pytest
from worlds.decisions import QUESTION, DecisionSite, decision_site
from worlds.waiting import WAIT_S

from aragora.clock import SystemClock
from aragora.composition.local_router import LocalRouter
from aragora.config.settings import Settings
from aragora.decisions.invalidating import CacheSize
from aragora.decisions.router import EVICTIONS
from aragora.errors import InvalidInput
from aragora.observability.registry import REGISTRY
from aragora.storage.contexts import Context
from aragora.storage.counters import CounterStore
from aragora.storage.database import Database

ONE_BACKEND = pytest.mark.parametrize("settings", ["sqlite"], indirect=True)

DOCUMENT: Final = Path(__file__).parents[3] / "docs" / "decision-routing.md"
SNIPPET: Final = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)[0]
"""The runbook's lines, in its order, as our own page prints them too."""
PRINTED: Final = f"""
import asyncio

async def main():
{textwrap.indent(SNIPPET, "    ")}
    print((await router.route("Tea or coffee?")).why)

asyncio.run(main())
"""

FIGURES: Final = {
    *("total_entries", "hit_rate", "current_policy_version", "size", "max_size", "ttl_seconds", "hits", "misses"),
    *("evictions", "invalidations", "policy_version", "entries_by_workspace"),
}


def environment_of(settings: Settings) -> dict[str, str]:
    url = settings.database_url
    more = {} if url is None else {"DATABASE_URL": str(getattr(url, "get_secret_value", lambda: url)())}
    return {**os.environ, "ARAGORA_DATA_DIR": str(settings.data_dir), **more}


@pytest.fixture
def local(settings: Settings, site: DecisionSite) -> LocalRouter:
    """The program beside the replicas of `site`."""
    REGISTRY.drain()  # what other tests counted in this process
    return LocalRouter(settings)


async def counted(settings: Settings) -> None:
    """What the replicas of this process counted is in the store, as each flushes it every second."""
    core = Database.open(settings, Context.CORE)
    await CounterStore(core).add(REGISTRY.drain())
    await core.aclose()


@pytest.mark.slow
async def test_the_printed_lines_run_in_a_process_of_their_own_and_reach_every_replica(
    settings: Settings, site: DecisionSite
) -> None:
    first = await site.decided(workspace="workspace-123")
    other = await site.decided(workspace="other")
    assert (await site.ask(200, workspace="workspace-123", replica=1))["debate_id"] == first
    assert (await site.ask(200, workspace="other", replica=1))["debate_id"] == other
    told = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", PRINTED],
        env=environment_of(settings),
        capture_output=True,
        text=True,
        timeout=2 * WAIT_S,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    lines = told.stdout.splitlines()
    assert lines[0] == "Invalidated 1 cached entries for workspace"
    assert lines[1] == "Invalidated 0 cached entries using claude v3.5"
    assert lines[2] == "Total entries: 0", "those of other workspaces are of an earlier policy"
    assert lines[3].startswith("Hit rate: ")
    assert lines[3].endswith("%")
    assert lines[4:] == ["Policy version: v2.0.0", "no other rule applies"]
    for replica in (0, 1):
        again = await site.ask(202, workspace="workspace-123", replica=replica, headers={"Cache-Control": "max-age=0"})
        assert again["debate_id"] != first
        assert again["route"]["policy_version"] == "v2.0.0"


async def test_figures_tell_what_is_kept_and_how_often_it_answered(
    settings: Settings, site: DecisionSite, local: LocalRouter
) -> None:
    empty = await local.stats()
    assert set(empty) == FIGURES
    assert (empty["hit_rate"], empty["total_entries"], empty["current_policy_version"]) == (0.0, 0, "1")
    await site.decided(workspace="ws-1")
    for _ in range(3):
        hit = await site.ask(200, workspace="ws-1")
    assert await local.invalidate_workspace("ws-2") == 0
    await counted(settings)
    stats = await local.stats()
    assert (stats["hits"], stats["misses"], stats["hit_rate"]) == (3, 1, 0.75)
    assert (stats["size"], stats["entries_by_workspace"], stats["invalidations"]) == (1, {"ws-1": 1}, 1)
    core = Database.open(settings, Context.CORE)
    series = {(one.sample, one.labels): one.amount for one in await CounterStore(core).all()}
    await core.aclose()
    assert series["aragora_decision_saved_usd_total", ()] == pytest.approx(3 * hit["saved_usd"])
    assert series["aragora_decision_routes_total", (("target", "cache"),)] == 3
    assert series["aragora_decision_cache_invalidations_total", (("type", "workspace"),)] == 1
    gauge = await CacheSize(site.ports[0].deciding.router.entries, SystemClock()).gauges()
    assert [(one.sample, one.amount) for one in gauge] == [("aragora_decision_cache_size", 1.0)]


async def test_a_program_sees_where_a_question_would_go_and_opens_nothing(
    site: DecisionSite, local: LocalRouter
) -> None:
    first = await site.decided()
    kept = await local.route(QUESTION, org_id="acme")
    assert (kept.target, kept.entry and kept.entry.debate_id) == ("cache", first)
    assert (await local.route(QUESTION)).target == "debate", "another organisation's"
    assert (await local.route("Tea?", stakes="low")).target == "agent"
    assert site.commands.opened == [first]


@pytest.mark.parametrize("wrong", ["", "  ", "v" * 201, "a\0b"])
@ONE_BACKEND
async def test_empty_and_endless_names_are_refused(wrong: str, local: LocalRouter) -> None:
    for call in (local.set_policy, local.invalidate_tag, local.invalidate_workspace):
        with pytest.raises(InvalidInput):
            await call(wrong)
    with pytest.raises(InvalidInput):
        await local.invalidate_agent("claude", wrong)


async def test_what_a_workspace_is_told_makes_its_decisions_in_that_domain_stale(
    settings: Settings, site: DecisionSite
) -> None:
    from worlds.decisions import told

    first = await site.decided(domain="storage")
    other = await site.decided(domain="kitchen")
    elsewhere = await site.decided(domain="storage", workspace="research")
    await told(settings, "acme", "default", "storage", "PostgreSQL 19 is out.")
    assert (await site.ask(202, domain="storage"))["debate_id"] != first
    assert (await site.ask(200, domain="kitchen"))["debate_id"] == other
    assert (await site.ask(200, domain="storage", workspace="research"))["debate_id"] == elsewhere


async def test_what_debates_leave_by_themselves_makes_nothing_stale(settings: Settings, site: DecisionSite) -> None:
    from worlds.decisions import told

    first = await site.decided(domain="storage")
    await told(settings, "acme", "default", "storage", "Learnt from a debate.", by_debate=True)
    assert (await site.ask(200, domain="storage"))["debate_id"] == first


@ONE_BACKEND
async def test_near_matches_are_off_until_they_are_switched_on(settings: Settings) -> None:
    async with decision_site(settings) as site:
        await site.decided("Should we use two replicas?")
        assert not (await site.ask(202, "Hello! Should we use 2 replicas?"))["cached"]
    on = settings.model_copy(update={"decision_near": True})
    async with decision_site(on) as site:
        first = await site.decided("Should we keep the three nodes?")
        hit = await site.ask(200, "Hello, should we keep 3 nodes?")
        assert (hit["debate_id"], hit["near"], hit["question"]) == (first, True, "Should we keep the three nodes?")
        assert "in other words" in hit["route"]["why"]
        for other in ("Should we not keep the three nodes?", "Should we keep the four nodes?"):
            assert not (await site.ask(202, other))["cached"]
        assert not (await site.ask(202, "Hello, should we keep 3 nodes?", workspace="research"))["cached"]


async def test_at_most_so_many_are_kept_and_the_oldest_go(settings: Settings) -> None:
    few = settings.model_copy(update={"decision_cache_size": 2})
    async with decision_site(few) as site:
        REGISTRY.drain()  # what other tests counted in this process
        for number in range(3):
            await site.decided(f"Should we do number {number}?")
            await site.ask(200, f"Should we do number {number}?")
        assert sum((await site.ports[0].deciding.router.entries.sizes(site.clock.now())).values()) == 2
        assert {one.sample: one.amount for one in REGISTRY.drain()}[EVICTIONS] == 1
        await site.ask(200, "Should we do number 2?")
        await site.ask(202, "Should we do number 0?")
