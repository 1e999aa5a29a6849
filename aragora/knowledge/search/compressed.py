"""The vectors of one large workspace in four bits a number, with the best candidates compared exactly.

turbovec (MIT) scans the codes; the whole vectors stand in a file that has no name and is gone with the process, and
only those of the best candidates are read. So a search is exact but for what the codes leave out of the candidates:
measured recall@10 is 1.0 at 100,000 vectors (`benchmarks.knowledge`).
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from aragora.knowledge.search.vectors import Near, Vector, Vectors, checked, places_of, ranked

CANDIDATES: Final = 500
"""So many are compared exactly, or twice as many as are wanted. 200 are too few behind filters: of many vectors that
are all about as far away, the codes do not tell the nearest."""

_BITS: Final = 4
_BLOCK: Final = 8_192
_FIRST_CAPACITY: Final = 1_024
_NUMBER_BYTES: Final = 4
_ENTRY_BYTES: Final = 120
_CODE_BYTES_PER_NUMBER: Final = 1.0  # resident, measured: the codes twice (as kept and as scanned) and the ids


class CompressedMatrix:
    """A code and a row of the file for each id. A slot that was dropped is overwritten and used again. Not for several
    threads at once.

    Args:
        sample: of the vectors that will be kept, drawn at random, to calibrate the codes: without, recall@10 behind
            filters was 0.91 where it is 1.0 with 2,048.
        directory: where the file is made; the system's own for temporary files without one.

    Raises ValueError for a dimension that is no multiple of 8, or a sample of equal vectors; OSError without the file.
    """

    def __init__(self, sample: Vectors, directory: Path | None = None) -> None:
        from turbovec import IdMapIndex  # noqa: PLC0415  native: only where a workspace is large

        self.dimension = sample.shape[1]
        self._codes: Any = IdMapIndex(self.dimension, _BITS)
        self._codes.calibrate(np.ascontiguousarray(sample))
        self._file = tempfile.TemporaryFile(dir=directory, prefix="vectors-", buffering=0)  # noqa: SIM115  close()
        self._rows = self._mapped(_FIRST_CAPACITY)
        self._ids: list[str | None] = []
        self._slot_of: dict[str, int] = {}
        self._free: list[int] = []
        self._id_bytes = 0

    def __len__(self) -> int:
        return len(self._slot_of)

    def __contains__(self, of: str) -> bool:
        return of in self._slot_of

    @property
    def size_bytes(self) -> int:
        """The memory it takes, by estimate; the file is not counted."""
        codes = int(_CODE_BYTES_PER_NUMBER * self.dimension) * len(self._ids)
        return codes + self._id_bytes + _ENTRY_BYTES * len(self._slot_of)

    def put(self, ids: Sequence[str], vectors: Vectors) -> None:
        """As `ExactMatrix.put`. Raises OSError where the file cannot grow; then none of these ids is here any more."""
        rows = checked(vectors, self.dimension) if len(ids) else np.zeros((0, self.dimension), np.float32)
        if len(rows) != len(ids):
            raise ValueError("there are not as many vectors as ids")
        last = {of: row for row, of in enumerate(ids)}
        self.drop(last)
        if not last:
            return
        rows = np.ascontiguousarray(rows[list(last.values())])
        slots = [self._free.pop() if self._free else self._new_slot() for _ in last]
        try:
            self._grow(len(self._ids))
            for run in np.split(np.arange(len(slots)), np.flatnonzero(np.diff(slots) != 1) + 1):
                self._write(slots[run[0]], rows[run])
            self._codes.add_with_ids(rows, np.array(slots, np.uint64))
        except BaseException:
            self._free.extend(slots)
            raise
        for of, slot in zip(last, slots, strict=True):
            self._ids[slot] = of
            self._slot_of[of] = slot
            self._id_bytes += sys.getsizeof(of)

    def drop(self, ids: Collection[str]) -> int:
        """As `ExactMatrix.drop`; the rows of the file are overwritten."""
        return sum(self._drop(of) for of in ids)

    def nearest(self, query: Vector, k: int, allowed: Collection[str] | None = None) -> list[Near]:
        """As `ExactMatrix.nearest`."""
        within = None if allowed is None else places_of(self._slot_of, allowed).astype(np.uint64)
        if not self._slot_of or k < 1 or (within is not None and not len(within)):
            return []
        wanted = min(max(CANDIDATES, 2 * k), len(self._slot_of))
        asked = np.ascontiguousarray(query, np.float32)[None, :]
        found = self._codes.search(asked, wanted, **({} if within is None else {"allowlist": within}))[1][0]
        slots = [int(slot) for slot in found]
        ids = [self._id(slot) for slot in slots]
        return ranked(ids, self._read(slots), query, k)

    def vectors_of(self, ids: Sequence[str]) -> Vectors:
        """As `ExactMatrix.vectors_of`."""
        return self._read([self._slot_of[of] for of in ids])

    def blocks(self) -> Iterator[tuple[list[str], Vectors]]:
        """As `ExactMatrix.blocks`."""
        ids = list(self._slot_of)
        for start in range(0, len(ids), _BLOCK):
            block = ids[start : start + _BLOCK]
            yield block, self.vectors_of(block)

    def close(self) -> None:
        """Forget everything, and give the file back. Nothing is overwritten: it has no name, and goes with its map."""
        self._slot_of, self._ids, self._free, self._id_bytes = {}, [], [], 0
        self._codes, self._rows = None, np.zeros((0, self.dimension), np.float32)
        self._file.close()

    def _id(self, slot: int) -> str:
        of = self._ids[slot]
        assert of is not None, "the codes hold a slot that was dropped"
        return of

    def _new_slot(self) -> int:
        self._ids.append(None)
        return len(self._ids) - 1

    def _drop(self, of: str) -> bool:
        slot = self._slot_of.pop(of, None)
        if slot is None:
            return False
        self._codes.remove(slot)
        self._ids[slot] = None
        self._free.append(slot)
        self._id_bytes -= sys.getsizeof(of)
        self._write(slot, np.zeros((1, self.dimension), np.float32))
        return True

    def _grow(self, slots: int) -> None:
        """Make room in the file and map it anew. Its space is taken when rows are written, not here."""
        capacity = len(self._rows)
        while capacity < slots:
            capacity *= 2
        if capacity != len(self._rows):
            self._rows = self._mapped(capacity)

    def _mapped(self, capacity: int) -> Vectors:
        self._file.truncate(capacity * self.dimension * _NUMBER_BYTES)
        return np.memmap(self._file, np.float32, "r", shape=(capacity, self.dimension))

    def _write(self, slot: int, rows: Vectors) -> None:
        """Consecutive rows from `slot` on. Writing to the map instead would end the process where the disk is full."""
        data = memoryview(rows.tobytes())
        at = slot * self.dimension * _NUMBER_BYTES
        while data:
            written = os.pwrite(self._file.fileno(), data, at)
            data, at = data[written:], at + written

    def _read(self, slots: Sequence[int]) -> Vectors:
        return np.asarray(self._rows[list(slots)])
