"""A process that writes executions, or posts to them, until it is killed: `executing_process.py owner|poster ...`.

`owner DATA_DIR [DATABASE_URL]`: eight executions at a time, each of eleven commits that take a message, have an outbox
row and count their rows; then another eight. What is durable is told on standard output, a line `EXECUTION_ID SEQ`
each.
`poster NAME NUMBER DATA_DIR [DATABASE_URL]`: posts so many messages, each twice, to two executions.
"""

from __future__ import annotations

import asyncio
import os
import sys
from itertools import count
from pathlib import Path

from pydantic import SecretStr
from worlds.executions import commit, message, new

from aragora.config.settings import Settings
from aragora.observability.samples import CounterDelta
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.outbox import OutboxRow
from aragora.workflows.store.owner import WorkflowOwner
from aragora.workflows.store.writer import WorkflowWriter


def told(execution_id: str, seq: int) -> None:
    os.write(1, f"{execution_id} {seq}\n".encode())


async def execution(writer: WorkflowWriter, execution_id: str) -> None:
    await writer.start(new(execution_id))
    told(execution_id, 1)
    seq = 1
    for number in range(11):
        await writer.post(message(f"{execution_id}:{number}", execution_id))
        first, seq = seq + 1, seq + 1 + number % 3
        counted = CounterDelta("rows", (), float(seq - first + 1))
        due = OutboxRow(f"{execution_id}:{number}", "usage", execution_id, f'{{"last":{seq}}}', 1.0)
        taken = (f"{execution_id}:{number}",)
        await writer.commit(commit(execution_id, first, seq, taken=taken, outbox=(due,), counters=(counted,)))
        told(execution_id, seq)


async def own(database: Database) -> None:
    writer = WorkflowWriter(database, tenure=await WorkflowOwner(database).advance())

    async def one_after_the_other(lane: int) -> None:
        for number in count():
            await execution(writer, f"exe_{lane}_{number}")

    await asyncio.gather(*(one_after_the_other(lane) for lane in range(8)))


async def post(database: Database, name: str, number: int) -> None:
    writer = WorkflowWriter(database)
    names = [(f"msg_{name}_{n}", f"exe_{n % 2}") for n in range(number)]
    await asyncio.gather(*(writer.post(message(*one)) for one in (*names, *names)))
    await writer.aclose()
    await database.aclose()


def main(role: str, *arguments: str) -> None:
    place = arguments if role == "owner" else arguments[2:]
    url = SecretStr(place[1]) if len(place) > 1 else None
    database = Database.open(Settings(data_dir=Path(place[0]), database_url=url), Context.WORKFLOWS)
    asyncio.run(own(database) if role == "owner" else post(database, arguments[0], int(arguments[1])))


if __name__ == "__main__":
    main(*sys.argv[1:])
