"""The one place that names, creates, finds, asks and retires actors.

Virtual actors: an actor of a kind and key always exists logically. Its process is created when the first message
is sent, under the name `kind/key` in the namespace `aragora`, detached, with get-if-exists, so that every caller on
every node reaches the same one. An actor that was idle for long enough retires by itself; the next message
activates it again, and it rebuilds its state from the store.

Messages may be delivered twice (a caller tries again after a crash), so handlers are idempotent by the ids that
messages carry. Callers see `aragora.errors` only, never Ray's exceptions.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Final

import ray
from ray.actor import ActorHandle
from ray.exceptions import GetTimeoutError, RayActorError, RayError, RayTaskError, TaskCancelledError

from actors.runtime_names import NAMESPACE
from aragora.config.settings import Settings
from aragora.errors import AragoraError, Unavailable
from aragora.resilience.backoff import Backoff

RESTARTS: Final = Backoff(base_s=0.1, cap_s=2.0, attempts=5)  # pauses while an actor's process restarts


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of actor: where its class lives (imported only where it runs or is created) and its concurrency."""

    name: str
    module: str
    cls: str
    max_concurrency: int = 1000
    options: Mapping[str, Any] = field(default_factory=dict)


KINDS: Final[Mapping[str, Kind]] = {
    kind.name: kind
    for kind in (
        Kind("agent", "actors.agent", "AgentActor", 10_000),
        Kind("breaker", "actors.circuit_breaker", "CircuitBreakerActor"),
        Kind("coordinator", "actors.coordinator", "CoordinatorActor", 10_000),
        Kind("shared", "actors.shared_state", "SharedStateActor"),
    )
}


class Runtime:
    """Activates and asks actors; cheap, one per process. `settings` go to every actor it creates."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._handles: dict[str, ActorHandle] = {}
        self._activating: dict[str, asyncio.Future[ActorHandle]] = {}

    async def activate(self, kind: str, key: str) -> ActorHandle:
        """The handle of the actor `kind/key`, creating its process if there is none. Raises Unavailable."""
        name = f"{kind}/{key}"
        handle = self._handles.get(name)
        if handle is not None:
            return handle
        pending = self._activating.get(name)
        if pending is None:
            pending = asyncio.ensure_future(asyncio.to_thread(_create, KINDS[kind], key, self._settings))
            self._activating[name] = pending
            pending.add_done_callback(lambda _: self._activating.pop(name, None))
        try:
            handle = await asyncio.shield(pending)
        except (RayError, ValueError) as error:
            raise Unavailable(f"cannot start {name}: {_first_line(error)}", retry_after_s=1.0) from None
        self._handles[name] = handle
        return handle

    async def ask(
        self, kind: str, key: str, method: str, *args: Any, timeout_s: float, backoff: Backoff = RESTARTS
    ) -> Any:
        """The answer of `kind/key` to `method(*args)`.

        A process that died or is restarting is asked again as `backoff` says, all within
        `timeout_s` seconds. Raises what the actor raised if it is an AragoraError, else Unavailable.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        for attempt in range(1, backoff.attempts + 1):
            remaining = deadline - loop.time()
            try:
                handle = await self.activate(kind, key)
                return await asyncio.wait_for(getattr(handle, method).remote(*args), remaining)
            except RayActorError as error:
                self.forget(kind, key)
                pause = backoff.delay_s(attempt, random.random())
                if attempt == backoff.attempts or loop.time() + pause >= deadline:
                    raise Unavailable(f"{kind}/{key} is restarting: {_first_line(error)}", retry_after_s=1.0) from None
                await asyncio.sleep(pause)
            except (RayError, TimeoutError, AragoraError) as error:
                raise translated(error, f"{kind}/{key}.{method}", timeout_s) from None
        raise Unavailable(f"{kind}/{key} did not answer {method} within {timeout_s:g} s", retry_after_s=1.0)

    async def alive(self, kind: str) -> frozenset[str]:
        """The keys of the actors of a kind that have a process now. Raises Unavailable."""
        try:
            named = await asyncio.to_thread(ray.util.list_named_actors, all_namespaces=True)
        except RayError as error:
            raise Unavailable(
                f"the cluster does not tell its actors: {_first_line(error)}", retry_after_s=1.0
            ) from None
        names = (actor["name"].partition("/") for actor in named if actor["namespace"] == NAMESPACE)
        return frozenset(key for of_kind, _, key in names if of_kind == kind)

    def forget(self, kind: str, key: str) -> None:
        """Drop a handle whose actor is gone, so that the next message activates it anew."""
        self._handles.pop(f"{kind}/{key}", None)


def translated(error: BaseException, what: str, timeout_s: float) -> AragoraError:
    """The house's error for one of Ray's: the actor's own AragoraError, or Unavailable with what happened."""
    if isinstance(error, AragoraError):
        return error
    if isinstance(error, RayTaskError):
        cause = error.cause
        if isinstance(cause, AragoraError):
            return cause
        return AragoraError(f"{what} failed: {type(cause).__name__}; see the server's log")
    if isinstance(error, GetTimeoutError | TimeoutError | TaskCancelledError):
        return Unavailable(f"{what} did not answer within {timeout_s:g} s: try again", retry_after_s=1.0)
    return Unavailable(f"{what} cannot be reached: {_first_line(error)}", retry_after_s=1.0)


def retire() -> None:
    """End the calling actor's process on purpose: it is not restarted until somebody sends it a message."""
    ray.actor.exit_actor()


def _create(kind: Kind, key: str, settings: Settings) -> ActorHandle:
    cls = getattr(import_module(kind.module), kind.cls)
    return (
        ray.remote(cls)
        .options(
            name=f"{kind.name}/{key}",
            namespace=NAMESPACE,
            lifetime="detached",
            get_if_exists=True,
            num_cpus=0,
            max_restarts=-1,
            max_task_retries=0,
            max_concurrency=kind.max_concurrency,
            **kind.options,
        )
        .remote(key, settings)
    )


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]
