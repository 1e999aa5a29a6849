"""A coordinator without Ray, as a process to freeze, thaw and kill: the real engine, journal, epochs and outbox;
its agents answer after a pause, and log what they were asked.

    python chaos_coordinator.py DATA_DIR SERVED_LOG LATENCY_S [DATABASE_URL]

Commands come as lines on stdin (`open DEBATE_ID`), news goes to stdout: `ready EPOCH RECOVERED`, `opened DEBATE_ID`,
`refused DEBATE_ID REASON`, `stepped-down`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from functools import partial
from pathlib import Path

from worlds.memory_engine import answer, spec

from aragora.clock import Clock, SystemClock
from aragora.composition.consumers import consumers
from aragora.config.settings import Settings, load_settings
from aragora.debate.journal import JournalRow
from aragora.debate.model import AgentRequest
from aragora.debate.records import Tenure
from aragora.debate.running.engine import DebateEngine, EnginePorts, Limits
from aragora.debate.store.debates import DebateStore
from aragora.debate.store.journal_writer import JournalWriter
from aragora.debate.store.shard_epochs import ShardEpochs
from aragora.errors import AragoraError, Unavailable
from aragora.receipts.closing import Closing
from aragora.receipts.signing import load_signer
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.outbox import OutboxRelay
from aragora.storage.outbox_store import OutboxStore

PAUSE_S = 0.05


class SlowAgents:
    """Answer every ask `latency_s` seconds after it was served."""

    def __init__(self, log: Path, latency_s: float) -> None:
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._latency_s = latency_s
        self.engine: DebateEngine | None = None

    def send(self, request: AgentRequest) -> None:
        os.write(self._log, f"{request.ask.ask_id}\n".encode())
        asyncio.get_running_loop().call_later(self._latency_s, self._answer, request)

    def withdraw(self, debate_id: str) -> None:
        """Withdrawn asks are still answered."""

    def _answer(self, request: AgentRequest) -> None:
        if self.engine is not None:
            self.engine.receive(request.ask.debate_id, [answer(request)])


class NoFollowers:
    """No client follows."""

    def publish(self, rows: list[JournalRow]) -> None: ...


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


async def open_debate(engine: DebateEngine, debate_id: str) -> None:
    try:
        await engine.open(spec(debate_id))
    except AragoraError as error:
        say("refused", debate_id, error.message)
    else:
        say("opened", debate_id)


async def next_epoch(database: Database) -> int:
    """The next epoch of shard 0, as soon as the store gives it: the predecessor may have been frozen in the middle of a
    transaction."""
    while True:
        try:
            return await ShardEpochs(database).advance(0)
        except Unavailable:
            await asyncio.sleep(PAUSE_S)


def engine_of(
    settings: Settings, database: Database, writer: JournalWriter, agents: SlowAgents, *, epoch: int, clock: Clock
) -> DebateEngine:
    """The engine of shard 0 in this epoch; its agents answer to it."""

    async def owned() -> bool:
        return await ShardEpochs(database).current(0) == epoch

    ports = EnginePorts(
        journal=writer,
        reader=DebateStore(database),
        asking=agents,
        publishing=NoFollowers(),  # type: ignore[arg-type]
        clock=clock,
        closing=Closing(load_signer(None, settings.data_dir)),
        pause_s=lambda _: PAUSE_S,
        owned=owned,
    )
    agents.engine = DebateEngine(ports, Limits(1000, 1000))
    return agents.engine


async def main(data_dir: str, log: str, latency_s: str, database_url: str = "") -> None:
    settings = load_settings({"ARAGORA_DATA_DIR": data_dir, "DATABASE_URL": database_url})
    database = Database.open(settings, Context.DEBATES)
    epoch = await next_epoch(database)
    agents = SlowAgents(Path(log), float(latency_s))
    writer = JournalWriter(database, tenure=Tenure(0, epoch))
    engine = engine_of(settings, database, writer, agents, epoch=epoch, clock=SystemClock())
    say("ready", epoch, await engine.recover(lambda _: True))
    OutboxRelay(OutboxStore(database), writer, consumers(partial(Database.open, settings), settings)).start()
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    told = asyncio.create_task(_tell_when_stepped_down(engine))
    opening = []
    while line := await lines.readline():
        opening.append(asyncio.create_task(open_debate(engine, line.decode().split()[1])))
    await asyncio.gather(told, *opening)


async def _tell_when_stepped_down(engine: DebateEngine) -> None:
    while not engine.load().stepped_down:
        await asyncio.sleep(PAUSE_S)
    say("stepped-down")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
