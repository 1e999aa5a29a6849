"""The judge of tests/chaos over a cluster of the bed: its stores, and what the stub agents of every host were asked."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from typing import Final

from worlds.chaos_invariants import Findings, all_ended, examine
from worlds.chaos_served import ServedLog
from worlds.hosts.installation import Installation
from worlds.knowledge_invariants import all_learnt, wrongly_learnt

from aragora.config.settings import load_settings

ENDED_S: Final = 180.0
STUB_LOG: Final = "/opt/aragora/stub.log"
"""For ARAGORA_STUB_LOG: a file on each host's disk."""


@contextmanager
def followed(at: Installation) -> Iterator[list[ServedLog]]:
    """The asks that each host's agents serve within the block. The hosts stay on meanwhile."""
    with ExitStack() as stack:
        logs = [ServedLog(Path(f"/proc/{node.pid}/root{STUB_LOG}")) for node in at.bed.nodes]
        for node, log in zip(at.bed.nodes, logs, strict=True):
            node.run(f": >{STUB_LOG}").output()  # what was served before this block is not its matter
            stack.enter_context(log.following())
        yield logs


def judged(at: Installation, accepted: Collection[str], served: Collection[ServedLog] = ()) -> Findings:
    """Once every debate has ended, what the stores hold. Fails where debates do not end."""
    with tempfile.TemporaryDirectory() as directory, at.bed.db.network():
        settings = load_settings({"DATABASE_URL": at.bed.db.url(at.database), "ARAGORA_DATA_DIR": directory})
        asyncio.run(all_ended(settings, accepted, ENDED_S))
        asyncio.run(all_learnt(settings, ENDED_S))
        found = asyncio.run(examine(settings, accepted, chain.from_iterable(log.asks for log in served)))
        found.wrong += asyncio.run(wrongly_learnt(settings))
        return found
