"""The asks that stub agents served, each with the time it was seen: the witness against asking twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

LOOK_S = 0.005


@dataclass(frozen=True)
class Served:
    """One ask an agent took on, not before `after` (seconds since the epoch)."""

    ask_id: str
    after: float


@dataclass
class ServedLog:
    """Follows the file that ARAGORA_STUB_LOG names; a line is whole, for agents append each in one write."""

    path: Path
    asks: list[Served] = field(default_factory=list)
    _looking: threading.Lock = field(default_factory=threading.Lock)
    _ended: threading.Event = field(default_factory=threading.Event)
    _offset: int = 0
    _looked_at: float = field(default_factory=time.time)

    @contextmanager
    def following(self) -> Iterator[ServedLog]:
        """Read along in a thread for the block."""
        self.path.touch()
        thread = threading.Thread(target=self._run, name="served asks")
        thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            thread.join()
            self.look()

    def look(self) -> None:
        """Take in what was appended since the last look."""
        with self._looking, self.path.open("rb") as log:
            before, self._looked_at = self._looked_at, time.time()
            log.seek(self._offset)
            lines = log.read()
            whole = lines.rfind(b"\n") + 1
            self._offset += whole
            self.asks += [Served(line.decode(), before) for line in lines[:whole].splitlines()]

    def _run(self) -> None:
        while not self._ended.wait(LOOK_S):
            self.look()
