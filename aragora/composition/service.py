"""The service that runs on a Ray, be it of one machine or of a cluster: begin, be ready, drain, end.

The process that calls this is connected to Ray. Its parts are detached actors and Serve's application: they live on
when it ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Final

import structlog

from actors.cluster import NAMESPACE
from actors.kinds import COORDINATOR, RUNNER, RUNNER_KEY, SCHEDULER, SCHEDULER_KEY, SHARED, SHARED_KEY
from aragora.background import wait_until
from aragora.composition.webhook_processes import drain_webhooks
from aragora.config.settings import Settings
from aragora.errors import AragoraError

if TYPE_CHECKING:
    from actors.runtime import Reference, Runtime
    from actors.shared_state import SharedStateActor

READY_S: Final = 60.0
JOBS_START_S: Final = 10.0
JOBS_STOP_S: Final = 10.0
WORKFLOWS_STOP_S: Final = 10.0
JOBS_AGAIN_S: Final = 60.0
"""How often a command that stays with the service asks for the jobs."""
DRAIN_GRACE_S: Final = 30.0
"""How much longer than its debates' time a coordinator's drain may take."""
SOCKETS_EVERY_S: Final = 0.1

log = structlog.get_logger("aragora.server")


class Service:
    """The actors of one installation and the state that its replicas follow."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def runs(self) -> bool:
        """Whether the service was started and has not ended: the shared state or a coordinator has a process, of which
        an upgrade replaces one after the other. Raises Unavailable."""
        runtime = self._runtime()
        return bool(await runtime.alive(SHARED) or await runtime.alive(COORDINATOR))

    async def activate_shared(self) -> None:
        """Start the shared state where it has no process. Raises Unavailable."""
        await self._runtime().at(SHARED, SHARED_KEY).activate()

    async def activate(self) -> None:
        """Start the shared state and the coordinators where they have no process. Raises Unavailable."""
        runtime = self._runtime()
        await runtime.at(SHARED, SHARED_KEY).activate()
        for shard in self._shards():
            await runtime.at(COORDINATOR, shard).activate()

    async def admit(self) -> None:
        """Once every coordinator has taken up its debates, tell the replicas that the service takes work. Raises
        Unavailable where one does not answer within `READY_S` seconds."""
        from actors.shared_state import LifecycleStage  # noqa: PLC0415 - imports Ray, whose environment was set before

        runtime = self._runtime()
        for shard in self._shards():
            await runtime.at(COORDINATOR, shard).ask(lambda it: it.ready(), timeout_s=READY_S)
        await runtime.at(SHARED, SHARED_KEY).ask(lambda it: it.set_lifecycle(LifecycleStage.READY), timeout_s=READY_S)

    async def start_jobs(self, again_s: float) -> None:
        """Start the scheduler of durable jobs where it has no process. Raises nothing: jobs that cannot run are no
        reason to end a service. `again_s` is when the caller asks again, in seconds, for the log."""
        try:
            scheduler = self._runtime().at(SCHEDULER, SCHEDULER_KEY)
            async with asyncio.timeout(JOBS_START_S):
                await scheduler.ask(lambda it: it.status(), timeout_s=JOBS_START_S)
        except Exception as error:
            known = isinstance(error, AragoraError | TimeoutError)
            log.warning("the scheduler did not answer", error=str(error), retry_in_s=again_s, exc_info=not known)

    async def drain(self, limit_s: float, sockets_s: float) -> int:
        """Stop accepting, let debates end for up to `limit_s` seconds, close WebSockets within `sockets_s` seconds;
        returns how many debates are left for the next start. Raises Unavailable."""
        from actors.shared_state import LifecycleStage  # noqa: PLC0415

        runtime = self._runtime()
        shared = runtime.at(SHARED, SHARED_KEY)
        await shared.ask(lambda it: it.set_lifecycle(LifecycleStage.DRAINING, "the server is stopping"), timeout_s=5.0)
        # At once: from the moment the server says that it drains, no coordinator takes another debate.
        left, _ = await asyncio.gather(self._drain_coordinators(runtime, limit_s), _stop_jobs(runtime))
        await _drain_workflows(runtime)  # after the debates: it hears of those that ended meanwhile
        await drain_webhooks(runtime)
        await shared.ask(lambda it: it.set_lifecycle(LifecycleStage.CLOSING, "the server is restarting"), timeout_s=5.0)
        await _sockets_closed(shared, sockets_s)
        return left

    async def node_drains(self, node_id: str) -> None:
        """Tell the replicas that the node with this id of Ray's drains: its ingress is not ready any more. Raises
        Unavailable."""
        shared = self._runtime().at(SHARED, SHARED_KEY)
        await shared.ask(lambda it: it.set_node_draining(node_id), timeout_s=READY_S)

    async def let_webhooks_end(self, ends: Callable[[str], bool]) -> None:
        """Let the requests of those processes that send webhooks end which `ends` tells by name."""
        await drain_webhooks(self._runtime(), ends)

    def end(self) -> None:
        """Remove Serve's application and every actor of the installation. Blocks."""
        from ray import serve  # noqa: PLC0415

        serve.shutdown()
        _end_actors(spared=())

    def end_work(self) -> None:
        """Remove the actors that work; the ingress, and the shared state that it follows, stay. Blocks."""
        _end_actors(spared=(f"{SHARED.name}/{SHARED_KEY}",))

    async def _drain_coordinators(self, runtime: Runtime, limit_s: float) -> int:
        """How many debates are left for the next start."""
        left = await asyncio.gather(
            *(
                runtime.at(COORDINATOR, shard).ask(lambda it: it.drain(limit_s), timeout_s=limit_s + DRAIN_GRACE_S)
                for shard in self._shards()
            )
        )
        return sum(left)

    def _shards(self) -> list[str]:
        return [str(shard) for shard in range(self._settings.coordinator_shards)]

    def _runtime(self) -> Runtime:
        from actors.runtime import Runtime  # noqa: PLC0415

        return Runtime(self._settings)


def _end_actors(spared: Collection[str]) -> None:
    import ray  # noqa: PLC0415

    for actor in ray.util.list_named_actors(all_namespaces=True):
        if actor["namespace"] == NAMESPACE and actor["name"] not in spared:
            ray.kill(ray.get_actor(actor["name"], NAMESPACE), no_restart=True)


async def _drain_workflows(runtime: Runtime) -> None:
    """Everything is in the journal: a runner that does not answer is left to end with the server."""
    try:
        if await runtime.alive(RUNNER):
            await runtime.at(RUNNER, RUNNER_KEY).ask(lambda it: it.drain(), timeout_s=WORKFLOWS_STOP_S)
    except AragoraError as error:
        log.warning("the runner of workflows did not stop in order", error=error.message)


async def _stop_jobs(runtime: Runtime) -> None:
    """Debates are more important than jobs: a scheduler that does not answer is left to end with the server."""
    try:
        if await runtime.alive(SCHEDULER):
            await runtime.at(SCHEDULER, SCHEDULER_KEY).ask(lambda it: it.drain(), timeout_s=JOBS_STOP_S)
    except AragoraError as error:
        log.warning("the scheduler did not stop", error=error.message)


async def _sockets_closed(shared: Reference[SharedStateActor], limit_s: float) -> None:
    """Returns once no WebSocket is connected, after `limit_s` seconds at the latest."""

    async def none_left() -> bool:
        return (await shared.ask(lambda it: it.connections(), timeout_s=5.0)).connections == 0

    await wait_until(none_left, limit_s=limit_s, every_s=SOCKETS_EVERY_S)
