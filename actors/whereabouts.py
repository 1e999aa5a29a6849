"""On which node each part of the service runs, as Ray's head knows it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from ray._private.state import actors
from ray.exceptions import RayError

from actors.kinds import (
    ADAPTER,
    AGENT,
    BREAKER,
    COORDINATOR,
    DISPATCHER,
    ENDPOINT,
    MOUND_INDEX,
    RUNNER,
    SCHEDULER,
    SHARED,
)
from aragora.errors import Unavailable

REPLICA: Final = "replica"
PROXY: Final = "proxy"
_SERVES: Final = {"SERVE_REPLICA::": REPLICA, "SERVE_PROXY_ACTOR": PROXY}
_OURS: Final = frozenset(
    kind.name
    for kind in (ADAPTER, AGENT, BREAKER, COORDINATOR, DISPATCHER, ENDPOINT, MOUND_INDEX, RUNNER, SCHEDULER, SHARED)
)
_ALIVE: Final = frozenset({"ALIVE", "RESTARTING", "PENDING_CREATION", "DEPENDENCIES_UNREADY"})


@dataclass(frozen=True, slots=True)
class Part:
    """One actor: its `kind` (those of `actors.kinds`, `replica`, `proxy`), its whole name, and the node that it is on.
    One that restarts is `alive` on no node."""

    kind: str
    name: str
    node_id: str
    alive: bool


def parts() -> tuple[Part, ...]:
    """Every actor of the service that has a process or is getting one. Blocks. Raises Unavailable."""
    try:
        known = actors()
    except (RayError, RuntimeError) as error:
        raise Unavailable(f"the cluster does not tell its actors: {type(error).__name__}", retry_after_s=1.0) from None
    return tuple(_parts(known.values()))


def _parts(known: Iterable[dict[str, Any]]) -> Iterator[Part]:
    for actor in known:
        kind = _kind(actor["Name"])
        if kind is not None and actor["State"] in _ALIVE:
            alive = actor["State"] == "ALIVE"
            yield Part(kind, actor["Name"], actor["Address"]["NodeID"] if alive else "", alive)


def _kind(name: str) -> str | None:
    for beginning, kind in _SERVES.items():
        if name.startswith(beginning):
            return kind
    kind, _, key = name.partition("/")
    return kind if key and kind in _OURS else None
