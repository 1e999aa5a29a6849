"""One server under load while its processes are killed one after the other, and its disk is full at times.

Two coordinator shards and two replicas; one of the agents never reaches its model, so that its breaker is at work. Two
endpoints of webhooks hear of every debate; one is sent so much that it gets a process of its own. The Knowledge Mound
learns from every debate that ends.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from chaos.conftest import Tally
from worlds import chaos_strikes as strikes
from worlds.chaos_invariants import all_ended, examine
from worlds.chaos_load import Load
from worlds.chaos_served import ServedLog
from worlds.knowledge_invariants import all_learnt, wrongly_learnt
from worlds.live_server import LiveServer, launch, wait_ready
from worlds.server_processes import named
from worlds.waiting import wait_until
from worlds.webhook_arrivals import Arrivals, receiving
from worlds.webhook_invariants import Blow, Expected, all_over, open_requests
from worlds.webhook_invariants import examine as examine_webhooks

from aragora.config.settings import Settings

pytestmark = [pytest.mark.slow, pytest.mark.chaos, pytest.mark.timeout(400)]

AGENTS = ("stub-1", "stub-2", "stub-3", "local")
END_S = 120.0
SLOTS = 50  # of webhooks, in each process


class Victim:
    """The server, its load, and the witness of what its agents served; `start` again after it was killed."""

    def __init__(self, directory: Path, arrivals: Arrivals) -> None:
        self.arrivals = arrivals
        self.blows: list[Blow] = []
        self.places: dict[str, str] = {}
        self.data_dir = directory / "data"
        self.settings = Settings(data_dir=self.data_dir)
        self.served = ServedLog(directory / "served.log")
        self._variables = {
            "ARAGORA_STUB_AGENTS": "4",
            "ARAGORA_STUB_LATENCY_MS": "100",
            "ARAGORA_STUB_LOG": str(self.served.path),
            "ARAGORA_COORDINATOR_SHARDS": "2",
            "ARAGORA_WORKERS": "2",
            "ARAGORA_LOCAL_BASE_URL": "http://127.0.0.1:9/v1",
            "ARAGORA_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.1/32",
            "ARAGORA_WEBHOOK_MAX_IN_FLIGHT": str(SLOTS),
            "ARAGORA_WEBHOOK_HOT_ENDPOINTS": "1",
            "ARAGORA_LOG_LEVEL": "WARNING",
        }
        self.server: LiveServer = launch(self.data_dir, None, None, **self._variables)
        self.load = Load(self.server.url, AGENTS)

    def start(self) -> None:
        """Start the server anew on the same data and ports."""
        self.server = launch(self.data_dir, self.server.http_port, self.server.ws_port, **self._variables)

    def ready(self) -> None:
        wait_ready(self.server)

    def register(self, place: str, **how: object) -> None:
        """An endpoint of webhooks at the server."""
        made = self.server.post("/api/webhooks", {"url": f"{self.arrivals.url}/{place}", "schedule": "runbook", **how})
        self.places[made["webhook_id"]] = place

    def note(self, name: str) -> Blow:
        """Note what is open of webhooks at this blow. What another process has on its way is among it."""
        blow = Blow(name, asyncio.run(open_requests(self.settings, self.arrivals)), 2 * SLOTS)
        self.blows.append(blow)
        return blow

    def judge(self, tally: Tally) -> None:
        """Let everything end, then look at the stores."""
        try:
            asyncio.run(all_ended(self.settings, self.load.accepted, END_S))
            asyncio.run(all_over(self.settings, self.load.accepted, END_S))
            asyncio.run(all_learnt(self.settings, END_S))
        except AssertionError as missed:
            raise AssertionError(f"{missed}:\n{self.told()}") from missed
        webhooks = asyncio.run(examine_webhooks(self.settings, self.arrivals, self.blows, Expected(self.places)))
        tally.delivered(self.data_dir, webhooks)
        assert not webhooks.problems(), "\n".join(webhooks.problems()[:20])
        self.served.look()
        findings = asyncio.run(examine(self.settings, self.load.accepted, self.served.asks))
        tally.found(self.data_dir, findings, self.load.accepted, len(self.served.asks))
        assert not findings.problems(), "\n".join(findings.problems()[:20])
        wrong = asyncio.run(wrongly_learnt(self.settings))
        assert not wrong, "\n".join(wrong[:20])
        assert not self.load.refused, self.load.refused[:5]
        assert not self.load.backwards, self.load.backwards[:5]

    def told(self) -> str:
        return self.server.told()[-3000:]


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    with (
        receiving() as arrivals,
        ended(Victim(tmp_path_factory.mktemp("chaos"), arrivals)) as victim,
        victim.served.following(),
    ):
        victim.ready()
        victim.register("all", events=["*"], max_in_flight=16)
        victim.register("ends", events=["debate_end"], fifo=True)
        yield victim


@contextmanager
def ended(victim: Victim) -> Iterator[Victim]:
    """At the end of the block nothing of it runs any more."""
    try:
        yield victim
    finally:
        strikes.kill_all(victim.data_dir)
        if victim.server.process.poll() is None:
            victim.server.process.kill()
        victim.server.process.wait()


def strike_one(victim: Victim, name: str, count: int = 1) -> Callable[[], None]:
    def strike() -> None:
        alive = wait_until(lambda: len(named(victim.data_dir, name)), f"{name} runs")
        if name in (strikes.DISPATCHER, strikes.ENDPOINT):
            killed = strikes.kill_sender(victim.data_dir, name, victim.arrivals)
            victim.note(f"{name} killed")
        else:
            killed = strikes.kill(victim.data_dir, name, count)
        strikes.wait_back(victim.data_dir, name, killed, alive)

    return strike


def test_nothing_is_lost_whatever_process_dies(victim: Victim, tally: Tally) -> None:
    def haproxy() -> None:
        strikes.kill_haproxy(victim.data_dir)
        victim.ready()

    def disk_full() -> None:
        with strikes.full_disk(victim.data_dir, strikes.COORDINATOR):
            time.sleep(1.0)

    def disk_full_and_a_coordinator_dies_of_it() -> None:
        with strikes.full_disk(victim.data_dir, strikes.COORDINATOR):
            time.sleep(0.3)
            strike_one(victim, strikes.COORDINATOR)()

    def index_of_meanings() -> None:
        def by_meaning() -> bool:
            return bool(victim.server.get("/api/knowledge/search?q=which+of+the+answers+holds")["mode"] == "hybrid")

        wait_until(by_meaning, "the index of meanings answers", END_S)
        strikes.kill(victim.data_dir, strikes.MOUND_INDEX)
        assert victim.server.get("/api/knowledge/search?q=a+question+by+its+words")["mode"] in ("hybrid", "lexical")
        wait_until(by_meaning, "the next index of meanings answers", END_S)

    faults: dict[str, Callable[[], None]] = {
        "coordinator killed": strike_one(victim, strikes.COORDINATOR),
        "both coordinators killed": strike_one(victim, strikes.COORDINATOR, 2),
        "agent killed": strike_one(victim, strikes.AGENT),
        "all agents killed": strike_one(victim, strikes.AGENT, 9),
        "breaker killed": strike_one(victim, strikes.BREAKER),
        "replica killed": strike_one(victim, strikes.REPLICA),
        "controller killed": strike_one(victim, strikes.CONTROLLER),
        "shared state killed": strike_one(victim, strikes.SHARED),
        "HAProxy killed": haproxy,
        "dispatcher of webhooks killed": strike_one(victim, strikes.DISPATCHER),
        "disk full": disk_full,
        "disk full, coordinator killed": disk_full_and_a_coordinator_dies_of_it,
        "process of a webhook endpoint killed": strike_one(victim, strikes.ENDPOINT),
        "adapters of the mound killed": strike_one(victim, strikes.ADAPTERS),
        "index of meanings killed": index_of_meanings,
    }
    chance = random.Random(3)
    with victim.load.running():
        wait_until(lambda: len(victim.load.accepted) >= 4, "the load has begun")
        wait_until(lambda: named(victim.data_dir, strikes.BREAKER), "a breaker is at work")
        for name in [
            *faults,
            "coordinator killed",
            "agent killed",
            "dispatcher of webhooks killed",
            "coordinator killed",
            "breaker killed",
            "disk full",
            "adapters of the mound killed",
        ]:
            time.sleep(chance.uniform(0.1, 1.0))  # the moment of the blow, not a wait
            faults[name]()
            tally.struck(name)
    victim.judge(tally)


def test_a_killed_server_goes_on_where_it_was_when_it_starts_again(victim: Victim, tally: Tally) -> None:
    for after_s in (0.7, 2.0):
        with victim.load.running():
            before = len(victim.load.accepted)
            wait_until(lambda: len(victim.load.accepted) > before + 3, "debates run")  # noqa: B023
            time.sleep(after_s)  # the moment of the blow, not a wait
            strikes.kill_all(victim.data_dir)
            victim.server.process.wait()
            victim.arrivals.wait_quiet()
            victim.note("server killed")
            victim.start()
            victim.ready()
            tally.struck("server killed", "webhooks: server killed")
    victim.judge(tally)


def test_a_stop_leaves_no_webhook_on_its_way(victim: Victim, tally: Tally) -> None:
    for _ in range(5):
        victim.server.debate(agents=AGENTS, rounds=1)
    before = len(victim.arrivals.requests)
    wait_until(lambda: len(victim.arrivals.requests) > before, "webhooks are sent")
    assert victim.server.stop() == 0, victim.told()
    assert not victim.note("clean stop").open, "so whoever comes next sends nothing again"
    tally.struck("webhooks: clean stop under way")
