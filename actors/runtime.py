"""The one place that names, creates, finds, asks and retires actors.

Virtual actors: an actor of a kind and key always exists logically. Its process is created when the first message
is sent, under the name `kind/key` in the namespace `aragora`, detached, with get-if-exists, so that every caller on
every node reaches the same one. An actor that was idle for long enough retires by itself; the next message
activates it again, and it rebuilds its state from the store.

A message is a function that calls one method of the actor: `lambda it: it.cancel(debate_id, by)`. It runs here, on a
recorder that notes the method and its arguments; so mypy checks both, and the result. It runs once for each ask,
however often the ask is sent: an id that is made inside it stays the same.

Messages may be delivered twice (a caller tries again after a crash), so handlers are idempotent by the ids that
messages carry. Callers see `aragora.errors` only, never Ray's exceptions.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final, Generic, TypeVar

import ray
from ray.actor import ActorHandle
from ray.exceptions import AsyncioActorExit, GetTimeoutError, RayActorError, RayError, RayTaskError, TaskCancelledError

from actors.adapter_processes import decided
from actors.cluster import NAMESPACE
from actors.kinds import Kind
from actors.release import runtime_env
from aragora.config.settings import Settings
from aragora.errors import AragoraError, Unavailable
from aragora.resilience.backoff import Backoff

A = TypeVar("A")
T = TypeVar("T")
Create = Callable[[Kind[Any], str, Settings], ActorHandle]

RESTARTS: Final = Backoff(base_s=0.1, cap_s=2.0, attempts=5)  # pauses while an actor's process restarts
ONCE: Final = Backoff(attempts=1)
"""For callers that have their own way to try again."""


def create_process(kind: Kind[Any], key: str, settings: Settings) -> ActorHandle:
    """The handle of the process of `kind/key`, created where there is none. Blocks. Raises RayError, ValueError."""
    return (
        ray.remote(kind.actor_class())
        .options(
            name=f"{kind.name}/{key}",
            namespace=NAMESPACE,
            lifetime="detached",
            get_if_exists=True,
            num_cpus=0,
            max_task_retries=0,
            max_concurrency=kind.max_concurrency,
            **{"max_restarts": -1, **runtime_env(), **kind.options(settings)},
        )
        .remote(key, settings)
    )


def retire() -> None:
    """End the calling actor's process on purpose: it is not restarted until the next message to the actor."""
    with suppress(AsyncioActorExit):  # it is for the caller of a message, and nobody called
        ray.actor.exit_actor()


class Runtime:
    """Knows the actors' processes; cheap, one per process. `settings` go to every actor that `create` creates."""

    def __init__(self, settings: Settings, create: Create = create_process) -> None:
        self._settings = decided(settings)
        self._create = create
        self._handles: dict[str, ActorHandle] = {}
        self._activating: dict[str, asyncio.Future[ActorHandle]] = {}

    def at(self, kind: Kind[A], key: str) -> Reference[A]:
        """The actor of a kind and key, whether it has a process now or not."""
        return Reference(self, kind, key)

    async def alive(self, kind: Kind[Any]) -> frozenset[str]:
        """The keys of the actors of a kind that have a process now; none outside a cluster. Raises Unavailable."""
        if not ray.is_initialized():  # the question would start a cluster
            return frozenset()
        try:
            named = await asyncio.to_thread(ray.util.list_named_actors, all_namespaces=True)
        except RayError as error:
            raise Unavailable(
                f"the cluster does not tell its actors: {_first_line(error)}", retry_after_s=1.0
            ) from None
        names = (actor["name"].partition("/") for actor in named if actor["namespace"] == NAMESPACE)
        return frozenset(key for of_kind, _, key in names if of_kind == kind.name)

    async def handle(self, kind: Kind[Any], key: str) -> ActorHandle:
        """For `Reference`: the handle of `kind/key`, creating its process if there is none. Raises Unavailable."""
        name = f"{kind.name}/{key}"
        handle = self._handles.get(name)
        if handle is not None:
            return handle
        pending = self._activating.get(name)
        if pending is None:
            pending = asyncio.ensure_future(asyncio.to_thread(self._create, kind, key, self._settings))
            self._activating[name] = pending
            pending.add_done_callback(lambda _: self._activating.pop(name, None))
        try:
            handle = await asyncio.shield(pending)
        except (RayError, ValueError) as error:
            raise Unavailable(f"cannot start {name}: {_first_line(error)}", retry_after_s=1.0) from None
        self._handles[name] = handle
        return handle

    def forget(self, kind: Kind[Any], key: str) -> None:
        """For `Reference`: drop the handle of `kind/key`."""
        self._handles.pop(f"{kind.name}/{key}", None)


class Reference(Generic[A]):
    """One actor, as `Runtime.at` gives it. Its class is `A`."""

    def __init__(self, runtime: Runtime, kind: Kind[A], key: str) -> None:
        self._runtime = runtime
        self._kind = kind
        self.key = key

    @property
    def name(self) -> str:
        """`kind/key`."""
        return f"{self._kind.name}/{self.key}"

    async def activate(self) -> None:
        """Start the actor's process if it has none. Raises Unavailable."""
        await self._runtime.handle(self._kind, self.key)

    async def ask(self, message: Callable[[A], Awaitable[T]], *, timeout_s: float, backoff: Backoff = RESTARTS) -> T:
        """The actor's answer to a message.

        A process that died or is restarting is asked again as `backoff` says, all within `timeout_s` seconds. Raises
        what the actor raised if it is an AragoraError, else Unavailable or AragoraError; ValueError where the message
        does not call exactly one method.
        """
        method, args, kwargs = recorded(message)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        for attempt in range(1, backoff.attempts + 1):
            remaining = deadline - loop.time()
            try:
                handle = await self._runtime.handle(self._kind, self.key)
                # Not wait_for: before Python 3.12 it loses a cancellation that comes together with the answer.
                async with asyncio.timeout(remaining):
                    answer: T = await getattr(handle, method).remote(*args, **kwargs)
            except RayActorError as error:
                self.forget()
                pause = backoff.delay_s(attempt, random.random())
                if attempt == backoff.attempts or loop.time() + pause >= deadline:
                    raise Unavailable(f"{self.name} is restarting: {_first_line(error)}", retry_after_s=1.0) from None
                await asyncio.sleep(pause)
            except (RayError, TimeoutError, AragoraError) as error:
                raise _translated(error, f"{self.name}.{method}", timeout_s) from None
            else:
                return answer
        raise Unavailable(f"{self.name} did not answer {method} within {timeout_s:g} s", retry_after_s=1.0)

    def forget(self) -> None:
        """Drop the handle of a process that is gone, so that the next message activates the actor anew."""
        self._runtime.forget(self._kind, self.key)


def recorded(message: Callable[[Any], object]) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    """The one call that a message makes: method, arguments, named arguments. Raises ValueError if it makes none or
    two."""
    calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def note(method: str, /, *args: Any, **kwargs: Any) -> None:
        calls.append((method, args, kwargs))

    message(_Recorder(note))
    if len(calls) != 1:
        raise ValueError(f"a message calls exactly one method of the actor, this one calls {len(calls)}")
    return calls[0]


class _Recorder:
    """Takes the place of an actor while a message is recorded: every attribute is a method that notes its call."""

    __slots__ = ("_note",)

    def __init__(self, note: Callable[..., None]) -> None:
        self._note = note

    def __getattr__(self, method: str) -> Callable[..., None]:
        return partial(self._note, method)


def _translated(error: BaseException, what: str, timeout_s: float) -> AragoraError:
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


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]
