"""Stores, receivers and processes of a chaos test of webhooks: lives that follow one another over the same stores."""

from __future__ import annotations

import asyncio
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil
from worlds.waiting import WAIT_S, wait_until
from worlds.webhook_arrivals import Arrivals, receiving
from worlds.webhook_invariants import Blow, Expected, Findings, all_over, examine, open_requests

from aragora.clock import SystemClock
from aragora.config.settings import Settings, load_settings
from aragora.ids import LOCAL_ORG
from aragora.secrets.encryption import service_of
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.webhooks.endpoint import Endpoint
from aragora.webhooks.model import Rules
from aragora.webhooks.store.endpoints import EndpointStore

ROOT: Final = Path(__file__).parents[2]
PROGRAM: Final = ROOT / "tests" / "worlds" / "chaos_webhooks.py"
SLOTS: Final = 12
QUICK: Final = Rules(base_s=0.02, max_s=0.02, max_retries=3, failure_threshold=1000, max_in_flight=4)
SECRET: Final = "whsec_" + "a" * 43 + "="


class Lives:
    """The program that forks a process for each life."""

    def __init__(self, log: Path) -> None:
        self._log = log.open("ab")
        self._process = subprocess.Popen(
            [sys.executable, str(PROGRAM)],
            env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self.log = log
        self._news: defaultdict[int, queue.Queue[list[str]]] = defaultdict(queue.Queue)
        self.opened: defaultdict[int, list[str]] = defaultdict(list)
        self._begun: queue.Queue[int] = queue.Queue()
        self._listening = threading.Thread(target=self._listen, daemon=True)
        self._listening.start()

    def begin(self, **how: Any) -> Life:
        """Begin a life (`worlds.chaos_webhooks.Begin`)."""
        self._order({"begin": how})
        return Life(self, self._begun.get(timeout=WAIT_S))

    def tell(self, pid: int, what: Sequence[object]) -> None:
        self._order({"to": pid, "do": list(what)})

    def news(self, pid: int, within_s: float) -> list[str]:
        return self._news[pid].get(timeout=within_s)

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._listening.join()
        self._log.close()

    def _order(self, order: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            pid, *words = line.split()
            if words == ["begun"]:
                self._begun.put(int(pid))
                continue
            if words[0] == "opened":
                self.opened[int(pid)].append(words[1])
            self._news[int(pid)].put(words)


class Life:
    """One process, and what it is told."""

    def __init__(self, lives: Lives, pid: int) -> None:
        self._lives = lives
        self.pid = pid

    def do(self, *what: object) -> None:
        self._lives.tell(self.pid, what)

    def hears(self, kind: str) -> list[str]:
        """The words of the next news of that kind; what comes before it is passed over."""
        try:
            while True:
                first, *words = self._lives.news(self.pid, WAIT_S)
                if first == kind:
                    return words
        except queue.Empty:
            raise AssertionError(f"no {kind!r} from {self.pid}:\n{self._lives.log.read_text()[-3000:]}") from None

    @property
    def lives(self) -> bool:
        return psutil.pid_exists(self.pid)

    def wait_dead(self) -> None:
        wait_until(lambda: not self.lives, f"the end of {self.pid}; {self._lives.log}")

    def stop(self) -> int:
        """Stop as a server stops; returns how many requests were cut off."""
        self.do("stop")
        cut_off = int(self.hears("stopped")[0])
        self.wait_dead()
        return cut_off

    def strike(self, number: int) -> None:
        os.kill(self.pid, number)

    def end(self) -> None:
        if self.lives:
            self.strike(signal.SIGKILL)
            self.wait_dead()


@dataclass
class WebhookWorld:
    """One set of stores, its receivers, and the lives over them."""

    environment: dict[str, str]
    settings: Settings
    arrivals: Arrivals
    lives: Lives
    places: dict[str, str] = field(default_factory=dict)
    failing: list[str] = field(default_factory=list)
    ordered: list[str] = field(default_factory=list)
    named: int = 0
    blows: list[Blow] = field(default_factory=list)
    begun: list[Life] = field(default_factory=list)

    def begin(self, **how: Any) -> Life:
        life = self.lives.begin(environment=self.environment, **how)
        self.begun.append(life)
        return life

    def register(
        self, place: str, *, rules: Rules = QUICK, events: Sequence[str] = ("*",), org_id: str = LOCAL_ORG
    ) -> str:
        """An endpoint that leads to a place of the receivers; returns its id."""
        endpoint_id = f"wh_{len(self.places):06}"
        made = Endpoint(
            endpoint_id, org_id, f"{self.arrivals.url}/{place}", SECRET, tuple(events), 1.0, "ann", rules=rules
        )
        asyncio.run(self._add(made))
        self.places[endpoint_id] = place
        if rules.fifo:
            self.ordered.append(endpoint_id)
        return endpoint_id

    def open(self, life: Life, count: int) -> None:
        """Tell a life to open so many debates; it may die of it."""
        for _ in range(count):
            self.named += 1
            life.do("open", f"deb_{self.named}")

    def opened(self, life: Life, count: int) -> None:
        """As `open`; returns once they are accepted."""
        self.open(life, count)
        for _ in range(count):
            life.hears("opened")

    @property
    def accepted(self) -> list[str]:
        """The debates that a life said yes to."""
        return [debate_id for life in self.begun for debate_id in self.lives.opened[life.pid]]

    def struck(self, name: str, life: Life) -> Blow:
        """Note that a life has died at this moment, and what was open then."""
        life.wait_dead()
        self.arrivals.wait_quiet()
        return self.note(name)

    def note(self, name: str) -> Blow:
        """Note a blow, and what is open at this moment."""
        blow = Blow(name, asyncio.run(open_requests(self.settings, self.arrivals)), SLOTS)
        self.blows.append(blow)
        return blow

    def over(self) -> None:
        """Return once everything has ended."""
        asyncio.run(all_over(self.settings, self.accepted, WAIT_S))

    def found(self) -> Findings:
        expected = Expected(self.places, failing=self.failing, ordered=self.ordered)
        return asyncio.run(examine(self.settings, self.arrivals, self.blows, expected))

    async def _add(self, endpoint: Endpoint) -> None:
        database = Database.open(self.settings, Context.WEBHOOKS)
        try:
            store = EndpointStore(database, SystemClock(), service_of(self.settings))
            await store.add(endpoint, limit=100)
        finally:
            await database.aclose()


@contextmanager
def webhook_world(data_dir: Path, lives: Lives, **variables: str) -> Iterator[WebhookWorld]:
    """Over stores that are migrated; every life ends with the block."""
    environment = {
        "ARAGORA_DATA_DIR": str(data_dir),
        "ARAGORA_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.1/32",
        "ARAGORA_WEBHOOK_MAX_IN_FLIGHT": str(SLOTS),
        "ARAGORA_LOG_LEVEL": "WARNING",
        **variables,
    }
    with receiving() as arrivals:
        world = WebhookWorld(environment, load_settings(environment), arrivals, lives)
        try:
            yield world
        finally:
            for life in world.begun:
                life.end()
