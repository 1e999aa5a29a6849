"""Every kind of actor, declared once and typed: what it is called, where its class lives, how its process is made.

They are asked through `actors.runtime`: `runtime.at(COORDINATOR, shard).ask(lambda it: it.load(), timeout_s=5.0)`.
This module imports no class of an actor and no Ray, so launchers may import it at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from actors.agent import AgentActor
    from actors.circuit_breaker import CircuitBreakerActor
    from actors.coordinator import CoordinatorActor
    from actors.knowledge_adapter import KnowledgeAdapterActor
    from actors.mound_index import MoundIndexActor
    from actors.scheduler import SchedulerActor
    from actors.shared_state import SharedStateActor
    from actors.webhook_dispatcher import WebhookDispatcherActor
    from actors.webhook_endpoint import WebhookEndpointActor
    from actors.workflow_runner import WorkflowRunnerActor
    from aragora.config.settings import Settings
    from aragora.storage.contexts import Context
    from aragora.storage.database import Database

A_co = TypeVar("A_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Kind(Generic[A_co]):
    """One kind of actor; `A_co` is its class, whose `__init__` takes the key and the settings.

    `name` is the first half of the actor's name `kind/key`. `at` is the class as `module:Class`; it is imported only
    where an actor is created or runs. `placed` names, as `module:function`, the rule for the node on which a process
    begins (see `options`); empty where that is all the same. `brings` names, as `module:function`, what the composition
    hands to actors of this kind (see `bring`); empty where that is nothing.
    """

    name: str
    at: str
    max_concurrency: int = 1000
    placed: str = ""
    brings: str = ""

    def actor_class(self) -> type[A_co]:
        """The class, imported now."""
        found: type[A_co] = _imported(self.at)
        return found

    def options(self, settings: Settings) -> Mapping[str, Any]:
        """Options of Ray for a process that begins now, as `placed` says. May block."""
        found: Mapping[str, Any] = _imported(self.placed)(settings) if self.placed else {}
        return found

    def bring(self, opened: Callable[[Context], Database], settings: Settings) -> Any:
        """What the function named by `brings` makes over the stores that it has `opened`. An actor calls this in its
        own process, and closes the stores at its end: the composition lies above the actors, so they know it by this
        name only. Raises LookupError without a name."""
        if not self.brings:
            raise LookupError(f"actors of the kind {self.name} bring nothing: declare it in actors/kinds.py")
        return _imported(self.brings)(opened, settings)


class Delivering(Protocol):
    """An actor that sends webhooks."""

    async def in_flight(self) -> int:
        """How many requests are on their way."""
        ...

    async def drain(self, limit_s: float) -> int:
        """Let requests end for up to `limit_s` seconds; returns how many were cut off. The process ends soon."""
        ...


AGENT: Final[Kind[AgentActor]] = Kind("agent", "actors.agent:AgentActor", 10_000, "actors.placement:of_agent")
BREAKER: Final[Kind[CircuitBreakerActor]] = Kind("breaker", "actors.circuit_breaker:CircuitBreakerActor")
COORDINATOR: Final[Kind[CoordinatorActor]] = Kind(
    "coordinator",
    "actors.coordinator:CoordinatorActor",
    10_000,
    "actors.placement:of_coordinator",
    "aragora.composition.consumers:consumers",
)
SCHEDULER: Final[Kind[SchedulerActor]] = Kind(
    "scheduler", "actors.scheduler:SchedulerActor", brings="aragora.composition.jobs:jobs"
)
DISPATCHER: Final[Kind[WebhookDispatcherActor]] = Kind("webhooks", "actors.webhook_dispatcher:WebhookDispatcherActor")
ENDPOINT: Final[Kind[WebhookEndpointActor]] = Kind(
    "webhook", "actors.webhook_endpoint:WebhookEndpointActor", 10_000, "actors.placement:spread"
)
ADAPTER: Final[Kind[KnowledgeAdapterActor]] = Kind(
    "knowledge", "actors.knowledge_adapter:KnowledgeAdapterActor", placed="actors.placement:spread"
)
MOUND_INDEX: Final[Kind[MoundIndexActor]] = Kind("mound_index", "actors.mound_index:MoundIndexActor")
RUNNER: Final[Kind[WorkflowRunnerActor]] = Kind(
    "workflows",
    "actors.workflow_runner:WorkflowRunnerActor",
    10_000,
    brings="aragora.composition.workflow_runs:workflow_parts",
)
SHARED: Final[Kind[SharedStateActor]] = Kind("shared", "actors.shared_state:SharedStateActor")

DELIVERING: Final[Sequence[Kind[Delivering]]] = (DISPATCHER, ENDPOINT)
"""The kinds of actors that send webhooks; the first gives endpoints to the second, and takes them back."""

SCHEDULER_KEY: Final = "main"
"""The key of the one actor of the kind `scheduler`."""

DISPATCHER_KEY: Final = "main"
"""The key of the one actor of the kind `webhooks`."""

ADAPTERS_KEY: Final = "adapters"
"""The key of the actor of the kind `knowledge` that hosts all adapters; others have the name of one."""

MOUND_INDEX_KEY: Final = "main"
"""The key of the one actor of the kind `mound_index`."""

RUNNER_KEY: Final = "main"
"""The key of the one actor of the kind `workflows`."""

SHARED_KEY: Final = "state"
"""The key of the one actor of the kind `shared`."""


def _imported(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
