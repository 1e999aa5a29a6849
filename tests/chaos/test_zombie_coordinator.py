"""A coordinator that was cut off and comes back while its successor is at work: it writes nothing and steps down."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from chaos.conftest import Tally
from sqlalchemy import select
from worlds import chaos_strikes as strikes
from worlds.chaos_invariants import all_ended, examine
from worlds.chaos_served import ServedLog
from worlds.postgres_process import fresh_postgres

from aragora.config.settings import Settings, load_settings
from aragora.debate.store.tables import debates, journal
from aragora.migrations.applying import apply_all
from aragora.storage.contexts import Context
from aragora.storage.database import Database

pytestmark = [pytest.mark.slow, pytest.mark.chaos, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "tests" / "worlds" / "chaos_coordinator.py"
LATENCY_S = 0.1
END_S = 60.0


class Coordinator:
    """The process, its commands and its news."""

    def __init__(self, settings: Settings, served: ServedLog) -> None:
        url = settings.database_url
        self.process = subprocess.Popen(
            [
                *(sys.executable, str(PROGRAM), str(settings.data_dir), str(served.path), str(LATENCY_S)),
                *([] if url is None else [url.get_secret_value()]),
            ],
            env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._told: list[list[str]] = []
        self.epoch, self.recovered = (int(word) for word in self.news("ready"))

    def news(self, kind: str) -> list[str]:
        """The words of the next line of that kind, in whatever order the kinds come."""
        for place, (first, *words) in enumerate(self._told):
            if first == kind:
                del self._told[place]
                return words
        assert self.process.stdout is not None
        for line in self.process.stdout:
            first, *words = line.split(maxsplit=2)
            if first == kind:
                return words
            self._told.append([first, *words])
        raise AssertionError(f"the coordinator ended without {kind!r}")

    def open(self, debate_id: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"open {debate_id}\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture(params=["sqlite", "postgres"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    if request.param == "sqlite":
        made = load_settings({"ARAGORA_DATA_DIR": str(tmp_path)})
        apply_all(made)
        yield made
        return
    with fresh_postgres() as server:
        made = load_settings({"ARAGORA_DATA_DIR": str(tmp_path), "DATABASE_URL": server.get_uri()})
        apply_all(made)
        yield made


async def written(settings: Settings) -> tuple[int, int]:
    """How many debates and journal rows there are."""
    database = Database.open(settings, Context.DEBATES)
    try:
        return (
            len(await database.rows(select(debates.c.debate_id))),
            len(await database.rows(select(journal.c.seq))),
        )
    finally:
        await database.aclose()


@pytest.mark.parametrize("moment_s", [0.05, 0.45])
def test_a_zombie_writes_nothing_and_steps_down(
    settings: Settings, tmp_path: Path, tally: Tally, moment_s: float
) -> None:
    served = ServedLog(tmp_path / "served.log")
    accepted = [f"deb_{number}" for number in range(8)]
    with served.following(), ExitStack() as ending:
        zombie = Coordinator(settings, served)
        ending.callback(zombie.kill)
        for debate_id in accepted:
            zombie.open(debate_id)
        for _ in accepted:
            zombie.news("opened")
        time.sleep(moment_s)  # the moment of the blow, not a wait
        strikes.freeze(zombie.process.pid, [settings.data_dir / "debates.db"] if settings.database_url is None else [])

        successor = Coordinator(settings, served)
        ending.callback(successor.kill)
        assert successor.epoch > zombie.epoch
        assert successor.recovered > 0
        os.kill(successor.process.pid, signal.SIGSTOP)  # now whatever is written is the zombie's
        before = asyncio.run(written(settings))
        os.kill(zombie.process.pid, signal.SIGCONT)
        zombie.open("deb_of_the_zombie")
        refused = zombie.news("refused")
        zombie.news("stepped-down")
        assert refused[0] == "deb_of_the_zombie"
        assert asyncio.run(written(settings)) == before

        os.kill(successor.process.pid, signal.SIGCONT)
        asyncio.run(all_ended(settings, accepted, END_S))
    findings = asyncio.run(examine(settings, accepted, served.asks))
    tally.struck("zombie coordinator")
    tally.found(settings.data_dir, findings, accepted, len(served.asks))
    assert not findings.problems(), "\n".join(findings.problems()[:20])
