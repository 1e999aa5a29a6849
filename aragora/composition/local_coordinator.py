"""The control plane in a program of the operator's: over the store of the settings, with a server beside it or none.

Whoever runs it has the settings of the installation, and acts as its local operator (`LOCAL_OPERATOR`).
"""

from __future__ import annotations

import math
from collections.abc import Collection
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final

from aragora.agents.breaker_store import BreakerStore
from aragora.clock import SystemClock
from aragora.composition.opened_on_use import OpenedOnUse
from aragora.config.settings import Settings, settings_in
from aragora.control_plane.advising import ADVISED, Advising, CatalogueRoster, told
from aragora.control_plane.begun import Begun
from aragora.control_plane.model import (
    ATTEMPTS,
    ERROR_MAX_CHARS,
    LEASE_S,
    PRIORITY,
    Agent,
    Holding,
    NewTask,
    Task,
    checked_capabilities,
    checked_new,
)
from aragora.control_plane.store.tasks import TaskStore
from aragora.control_plane.store.writer import TaskWriter
from aragora.control_plane.tasking import Tasks, checked_json
from aragora.errors import InvalidInput
from aragora.identity.principal import LOCAL_OPERATOR
from aragora.migrations.applying import apply_pending
from aragora.scope import Scope, checked_workspace
from aragora.storage.contexts import Context
from aragora.storage.database import Database

COMPLETION: Final = "completion of a task"


@dataclass(frozen=True, slots=True)
class _Open:
    """What stands open."""

    tasks: Tasks
    store: TaskStore
    advising: Advising
    closing: AsyncExitStack


class LocalCoordinator(OpenedOnUse[_Open]):
    """The control plane of one workspace. Opens with its first use, and belongs to the event loop of that; an async
    context manager, which closes it.

    Every method raises Misconfigured for a wrong environment and Unavailable where the store is away. `fence` is the
    token of a claim (`Task.fence`): without it whoever has the agent's name may act. Payloads and results are JSON
    values.
    """

    def __init__(self, org_id: str, workspace: str | None, settings: Settings | None) -> None:
        """`workspace` None is CP_KM_WORKSPACE; `settings` None are those of the environment."""
        super().__init__()
        self._settings = settings or settings_in(None)
        self._org_id = org_id
        self._workspace = self._settings.cp_km_workspace if workspace is None else checked_workspace(workspace)
        self._scope = Scope(org_id, frozenset({self._workspace}))
        self._clock = SystemClock()
        self._begun: set[Begun[Any]] = set()

    async def submit_task(
        self,
        task_type: str,
        payload: Any = None,
        required_capabilities: Collection[str] = (),
        *,
        priority: int = PRIORITY,
        deadline: float | None = None,
        attempts_max: int = ATTEMPTS,
        key: str | None = None,
    ) -> Task:
        """Give a task to whoever can do it; `deadline` is in seconds since the epoch. The same `key` gives the task
        that it made first. Raises InvalidInput; Conflict where the key made another one, RateLimited where too many are
        open."""
        opened = await self._opened()
        new = NewTask(
            type=task_type,
            payload=checked_json({} if payload is None else payload),
            capabilities=checked_capabilities(required_capabilities),
            priority=priority,
            deadline=deadline,
            attempts_max=attempts_max,
            org_id=self._org_id,
            workspace=self._workspace,
            created_by=LOCAL_OPERATOR.user_id,
        )
        return (await opened.tasks.submit(checked_new(new), key)).task

    async def claim_task(
        self,
        agent_id: str,
        capabilities: Collection[str] | None = None,
        *,
        task_id: str | None = None,
        lease_s: float = LEASE_S,
    ) -> Task | None:
        """Give an agent a task, the most urgent one that fits it or the one that is named, for `lease_s` seconds; None
        where none waits that fits. Without `capabilities` those count with which it is registered. Raises NotFound;
        Conflict where the named one cannot be had."""
        opened = await self._opened()
        able = None if capabilities is None else checked_capabilities(capabilities)
        if task_id is not None:
            return await opened.tasks.claim(task_id, self._scope, agent_id, able, lease_s=lease_s)
        return await opened.tasks.claim_next(self._org_id, self._workspace, agent_id, able, lease_s=lease_s)

    async def heartbeat(
        self, task_id: str, agent_id: str, *, fence: int | None = None, lease_s: float = LEASE_S
    ) -> Task:
        """Keep a task for `lease_s` more seconds. Raises NotFound; Conflict where the agent has lost it."""
        opened = await self._opened()
        return await opened.tasks.heartbeat(task_id, self._scope, Holding(agent_id, fence), lease_s=lease_s)

    def complete_task(
        self,
        task_id: str,
        result: Any = None,
        agent_id: str | None = None,
        latency_ms: float | None = None,
        *,
        fence: int | None = None,
        cost_usd: float = 0.0,
    ) -> Begun[Task]:
        """Begin to write that a task is done; call it in a running event loop. `await` gives the task as it stands
        then; without it the completion is written all the same, and its failure is logged.

        Without `agent_id` it counts for the agent that holds the task. The same result again gives the same answer.
        Raises InvalidInput at once; awaiting raises NotFound, and Conflict for another result, or where the agent does
        not hold the task.
        """
        text = checked_json(result)
        _check_amounts(latency_ms, cost_usd)
        begun = Begun(
            self._complete(task_id, text, agent_id, latency_ms=latency_ms, fence=fence, cost_usd=cost_usd), COMPLETION
        )
        self._begun.add(begun)
        begun.then(self._begun.discard)
        return begun

    async def fail_task(
        self,
        task_id: str,
        error: str,
        agent_id: str,
        *,
        fence: int | None = None,
        requeue: bool = True,
        latency_ms: float | None = None,
        cost_usd: float = 0.0,
    ) -> Task:
        """An attempt failed; `requeue` False where no other one can do better. Raises NotFound, InvalidInput,
        Conflict."""
        _check_amounts(latency_ms, cost_usd)
        if not 0 < len(error) <= ERROR_MAX_CHARS:
            raise InvalidInput(f"the error has 1 to {ERROR_MAX_CHARS} characters")
        opened = await self._opened()
        holding = Holding(agent_id, fence)
        return await opened.tasks.fail(
            task_id, self._scope, holding, error, again=requeue, latency_ms=latency_ms, cost_usd=cost_usd
        )

    async def cancel_task(self, task_id: str) -> Task:
        """Nobody wants a task any more. Raises NotFound; Conflict where it has ended otherwise."""
        return await (await self._opened()).tasks.cancel(task_id, self._scope)

    async def get_task(self, task_id: str) -> Task:
        """Raises NotFound."""
        return await (await self._opened()).store.get(task_id, self._scope)

    async def register_agent(self, agent_id: str, capabilities: Collection[str]) -> Agent:
        """Say what an agent can do, in place of what was known of it. Raises InvalidInput; Conflict where too many are
        registered."""
        opened, now = await self._opened(), self._clock.now()
        can = checked_capabilities(capabilities)
        agent = Agent(self._org_id, self._workspace, agent_id, can, LOCAL_OPERATOR.user_id, now, now)
        return await opened.store.register(agent)

    async def get_agent_recommendations(self, capability: str, limit: int = ADVISED) -> list[dict[str, Any]]:
        """Which agents to give tasks to of a type, or that want a capability: the surest first (`advising.told`), as
        GET /api/control-plane/recommendations gives them."""
        opened = await self._opened()
        return told(await opened.advising.advise(self._scope, capability, limit))

    async def aclose(self) -> None:
        """Wait for what was begun, then close what is open; the next use opens it again."""
        for one in tuple(self._begun):
            await one.settled()
        await super().aclose()

    async def _complete(
        self,
        task_id: str,
        result: str,
        agent_id: str | None,
        *,
        latency_ms: float | None,
        fence: int | None,
        cost_usd: float,
    ) -> Task:
        opened = await self._opened()
        holding = Holding(agent_id or "", fence)
        if agent_id is None:
            task = await opened.store.get(task_id, self._scope)
            holding = Holding(task.agent_id or "", task.fence if fence is None else fence)
        return await opened.tasks.complete(
            task_id, self._scope, holding, result, latency_ms=latency_ms, cost_usd=cost_usd
        )

    async def _open_all(self) -> _Open:
        settings = self._settings
        await apply_pending(settings)
        debates, core = Database.open(settings, Context.DEBATES), Database.open(settings, Context.CORE)
        writer, store = TaskWriter(debates, told=settings.learns_from_tasks), TaskStore(debates)
        closing = AsyncExitStack()
        for close in (debates.aclose, core.aclose, writer.aclose):  # the last one first
            closing.push_async_callback(close)
        roster = CatalogueRoster(settings, BreakerStore(core))
        advising = Advising(store, roster, self._clock, learns=settings.cp_enable_km)
        return _Open(Tasks(writer, self._clock), store, advising, closing)


def _check_amounts(latency_ms: float | None, cost_usd: float) -> None:
    if not all(math.isfinite(one) and one >= 0 for one in (latency_ms or 0.0, cost_usd)):
        raise InvalidInput("latency_ms and cost_usd are numbers that are not negative")
