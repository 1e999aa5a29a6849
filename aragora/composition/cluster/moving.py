"""Actors that begin anew somewhere else, or in another release, while the service runs.

What a coordinator has begun is in its journal: the process that follows goes on from there. Whoever asks it meanwhile
asks again. An agent's open asks are sent anew by their coordinators.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from actors.agent_shards import AgentShards
from actors.kinds import (
    ADAPTER,
    AGENT,
    BREAKER,
    COORDINATOR,
    DISPATCHER,
    DISPATCHER_KEY,
    ENDPOINT,
    MOUND_INDEX,
    RUNNER,
    RUNNER_KEY,
    SCHEDULER,
    SHARED,
)
from aragora.composition.service import JOBS_AGAIN_S, READY_S, Service
from aragora.config.settings import Settings
from aragora.errors import Unavailable

if TYPE_CHECKING:
    from actors.whereabouts import Part

ROUNDS: Final = 3
"""A node that has just joined may not be known to all others yet: what was meant for it begins elsewhere."""
GONE_S: Final = 30.0
LOOK_S: Final = 0.05


def even_out(settings: Settings) -> int:
    """Move coordinators until no node that takes work has two more than another one; returns how many moved. Their
    agents follow. This process is connected. Blocks. Raises Unavailable."""
    moved: set[str] = set()
    for _ in range(ROUNDS):
        crowding = _crowding()
        if not crowding:
            break
        for name in crowding:
            _move(settings, name)
        moved.update(crowding)
    return len(moved)


def renew(settings: Settings) -> None:
    """Begin every actor anew, with these settings and the release of this process. Those come last whom the others ask,
    so that nobody of the older release begins them again. This process is connected. Blocks. Raises Unavailable."""
    from actors.handover import begins_ready  # noqa: PLC0415 - imports Ray, whose environment is set now
    from actors.runtime import Runtime  # noqa: PLC0415
    from actors.whereabouts import parts  # noqa: PLC0415

    service = Service(settings)
    for part in _of(parts(), COORDINATOR.name):
        _renew_coordinator(settings, part)
    asyncio.run(service.let_webhooks_end(lambda _: True))
    dispatchers = _of(parts(), DISPATCHER.name)
    _end(dispatchers)
    _end(_of(parts(), ENDPOINT.name))
    if dispatchers:  # what waits for a retry has nobody else who would begin it
        asyncio.run(Runtime(settings).at(DISPATCHER, DISPATCHER_KEY).activate())
    runners = _of(parts(), RUNNER.name)
    _end(runners)
    if runners:  # what it waits for is due at its moment
        asyncio.run(Runtime(settings).at(RUNNER, RUNNER_KEY).activate())
    _end(_of(parts(), SCHEDULER.name))
    asyncio.run(service.start_jobs(JOBS_AGAIN_S))
    for kind in (ADAPTER, MOUND_INDEX, AGENT, BREAKER):
        _end(_of(parts(), kind.name))
    with begins_ready():
        _end(_of(parts(), SHARED.name))
        asyncio.run(service.activate())
        asyncio.run(service.admit())


def _crowding() -> tuple[str, ...]:
    """The coordinators that are to move now."""
    from actors.cluster_nodes import nodes  # noqa: PLC0415 - imports Ray, whose environment is set now
    from actors.placement import surplus  # noqa: PLC0415
    from actors.whereabouts import parts  # noqa: PLC0415

    return surplus([node.id for node in nodes() if node.takes_work], parts())


def _move(settings: Settings, name: str) -> None:
    from actors.whereabouts import parts  # noqa: PLC0415 - imports Ray, whose environment is set now

    _renew_coordinator(settings, name)
    shards = AgentShards.of(_shard(name), coordinators=settings.coordinator_shards, shards=settings.agent_shards)
    _end(agent for agent in _of(parts(), AGENT.name) if shards.has(agent))


def _renew_coordinator(settings: Settings, name: str) -> None:
    """Returns once its unfinished debates run again. Where the settings know it no more, it only ends."""
    from actors.runtime import Runtime  # noqa: PLC0415

    _end([name])
    if _shard(name) < settings.coordinator_shards:
        coordinator = Runtime(settings).at(COORDINATOR, str(_shard(name)))
        asyncio.run(coordinator.ask(lambda it: it.ready(), timeout_s=READY_S))


def _shard(name: str) -> int:
    _, _, number = name.partition("/")
    return int(number)


def _of(placed: Iterable[Part], kind: str) -> list[str]:
    return sorted(part.name for part in placed if part.kind == kind)


def _end(names: Iterable[str]) -> None:
    """End these actors, all at once; returns once their names are free, or another process's. Raises Unavailable."""
    import ray  # noqa: PLC0415

    ended = {name: handle for name in names if (handle := _handle(name)) is not None}
    for handle in ended.values():
        ray.kill(handle, no_restart=True)
    deadline = time.monotonic() + GONE_S
    while left := [name for name, handle in ended.items() if _handle(name) == handle]:
        if time.monotonic() >= deadline:
            raise Unavailable(f"{', '.join(left)} did not end within {GONE_S:g} s: see `aragora cluster status`")
        time.sleep(LOOK_S)


def _handle(name: str) -> object | None:
    """The actor of this name; None where it has no process."""
    import ray  # noqa: PLC0415

    from actors.cluster import NAMESPACE  # noqa: PLC0415

    try:
        found: object = ray.get_actor(name, NAMESPACE)
    except ValueError:
        return None
    return found
