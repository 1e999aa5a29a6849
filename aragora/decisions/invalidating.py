"""Invalidation and figures of kept decisions, as the runbook names them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable
from typing import Any, Final

from aragora.clock import Clock
from aragora.decisions.deciding import HITS, MISSES
from aragora.decisions.router import EVICTIONS, Keeping
from aragora.decisions.store.entries import Entries
from aragora.errors import InvalidInput
from aragora.observability.registry import Registry
from aragora.observability.samples import CounterDelta
from aragora.scope import checked_workspace
from aragora.storage.counters import CounterStore
from aragora.texts import line

INVALIDATIONS: Final = "aragora_decision_cache_invalidations_total"
NAME_MAX_CHARS: Final = 200
"""Of an agent, a version and a tag."""


class Invalidating:
    """Over the entries that all replicas share: what is invalidated when a call returns, no replica answers with any
    more. Each call is counted in `registry`. Every method raises InvalidInput for an empty or long text,
    and Unavailable where the store is away."""

    def __init__(self, entries: Entries, registry: Registry) -> None:
        self._entries = entries
        self._registry = registry

    async def workspace(self, workspace_id: str, org_id: str | None = None) -> int:
        """Invalidate what a workspace of this name decided, in every organisation unless one is named; returns how many
        decisions were kept."""
        workspace = checked_workspace(workspace_id)
        return await self._done("workspace", self._entries.invalidate_workspace(workspace, org_id))

    async def agent(self, agent: str, version: str) -> int:
        """Invalidate what this version of an agent took part in (`aragora.decisions.agent_versions`); returns how many
        decisions were kept."""
        name, of = _named("the agent", agent), _named("the version", version)
        return await self._done("agent", self._entries.invalidate_agent(name, of))

    async def tag(self, tag: str) -> int:
        """Invalidate what was asked with a tag; returns how many decisions were kept."""
        name = _named("the tag", tag)
        return await self._done("tag", self._entries.invalidate_tag(name))

    async def policy(self, version: str) -> None:
        """From now on this policy is in force, and all that was decided before is stale. The version that is in force
        already changes nothing: every node of a rolling deployment may say it."""
        named = _named("the policy version", version)
        before = await self._entries.policy()
        after = await self._entries.set_policy(named)
        if after.generation != before.generation:
            self._registry.inc(INVALIDATIONS, type="policy")

    async def _done(self, kind: str, deleting: Awaitable[int]) -> int:
        count = await deleting
        self._registry.inc(INVALIDATIONS, type=kind)
        return count


async def figures(entries: Entries, counters: CounterStore, keeping: Keeping, clock: Clock) -> dict[str, Any]:
    """What is kept, and what was asked of it since the installation began; of the last second, replicas may not have
    told yet. Raises Unavailable where a store is away."""
    counted: Counter[str] = Counter()
    for delta in await counters.all():
        counted[delta.sample] += int(delta.amount)
    hits, misses = counted[HITS], counted[MISSES]
    policy, sizes = await entries.policy(), await entries.sizes(clock.now())
    by_workspace: Counter[str] = Counter()
    for (_, workspace), count in sizes.items():
        by_workspace[workspace] += count
    size = by_workspace.total()
    return {
        "total_entries": size,
        "size": size,
        "max_size": keeping.bounds.entries_max,
        "ttl_seconds": keeping.ttl_s,
        "hits": hits,
        "misses": misses,
        "hit_rate": hits / (hits + misses) if hits + misses else 0.0,
        "evictions": counted[EVICTIONS],
        "invalidations": counted[INVALIDATIONS],
        "current_policy_version": policy.version,
        "policy_version": policy.version,
        "entries_by_workspace": dict(by_workspace),
    }


class CacheSize:
    """The gauge of kept decisions."""

    def __init__(self, entries: Entries, clock: Clock) -> None:
        self._entries = entries
        self._clock = clock

    async def gauges(self) -> list[CounterDelta]:
        """How many decisions are kept. Raises Unavailable."""
        sizes = await self._entries.sizes(self._clock.now())
        return [CounterDelta("aragora_decision_cache_size", (), float(sum(sizes.values())))]


def _named(what: str, text: str) -> str:
    if not isinstance(text, str) or not text.strip():
        raise InvalidInput(f"{what} is empty")
    if len(text) > NAME_MAX_CHARS:
        raise InvalidInput(f"{what} has {len(text)} characters: {NAME_MAX_CHARS} at most")
    try:
        return line(text.strip())
    except ValueError as error:
        raise InvalidInput(f"{what}: {error}") from None
