"""The vectors of one workspace in one matrix, searched by multiplying it: exact, and fast up to some 20,000 vectors."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aragora.knowledge.search.vectors import Near, Vector, Vectors, checked, nearest_rows, places_of, ranked

_FIRST_CAPACITY: Final = 64
_GATHERED: Final = 8  # up to one row in 8 allowed, copying those rows is cheaper than multiplying all
_BLOCK: Final = 8_192
_ENTRY_BYTES: Final = 120  # of a dict and a list for one id, measured


class ExactMatrix:
    """A row for each id. Capacity doubles as it grows, and halves where three quarters are empty; a dropped row is
    overwritten by the last one. Not for several threads at once.

    Args:
        dimension: numbers of each vector.
    """

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        self._rows: Vectors = np.zeros((_FIRST_CAPACITY, dimension), np.float32)
        self._ids: list[str] = []
        self._row_of: dict[str, int] = {}
        self._id_bytes = 0

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, of: str) -> bool:
        return of in self._row_of

    @property
    def size_bytes(self) -> int:
        """The memory it takes: the vectors exactly, the ids by estimate."""
        return self._rows.nbytes + self._id_bytes + _ENTRY_BYTES * len(self._ids)

    def put(self, ids: Sequence[str], vectors: Vectors) -> None:
        """Keep a vector for each id, in place of an earlier one. Raises ValueError for vectors of another dimension,
        not of length 1, or not as many as ids; then none is kept."""
        rows = checked(vectors, self.dimension) if len(ids) else np.zeros((0, self.dimension), np.float32)
        if len(rows) != len(ids):
            raise ValueError("there are not as many vectors as ids")
        places = [self._place(of) for of in ids]
        self._resize(len(self._ids))
        self._rows[places] = rows  # of two vectors for one id the last one stays

    def drop(self, ids: Collection[str]) -> int:
        """Forget these ids, as far as they are here. Returns how many were."""
        dropped = sum(self._drop(of) for of in ids)
        self._resize(len(self._ids))
        return dropped

    def nearest(self, query: Vector, k: int, allowed: Collection[str] | None = None) -> list[Near]:
        """The `k` nearest to `query`, of `allowed` ids where these are given: as many as there are, up to `k`."""
        count = len(self._ids)
        rows = None if allowed is None else places_of(self._row_of, allowed)
        if not count or k < 1 or (rows is not None and not len(rows)):
            return []
        if rows is None:
            picked = nearest_rows(self._rows[:count] @ query, k)
        elif len(rows) * _GATHERED <= count:
            picked = rows[nearest_rows(self._rows[rows] @ query, k)]
        else:
            picked = rows[nearest_rows((self._rows[:count] @ query)[rows], k)]
        return ranked([self._ids[row] for row in picked], self._rows[picked], query, k)

    def vectors_of(self, ids: Sequence[str]) -> Vectors:
        """The vectors of these ids, in their order. Raises KeyError for one that is not here."""
        return self._rows[[self._row_of[of] for of in ids]]

    def vectors_at(self, rows: NDArray[np.intp]) -> Vectors:
        """Some of the vectors, by their rows (0 to the number of ids)."""
        return self._rows[rows]

    def blocks(self) -> Iterator[tuple[list[str], Vectors]]:
        """All ids with their vectors, some thousands at a time."""
        for start in range(0, len(self._ids), _BLOCK):
            ids = self._ids[start : start + _BLOCK]
            yield ids, self._rows[start : start + len(ids)]

    def close(self) -> None:
        """Forget everything."""
        self.drop(list(self._ids))

    def _place(self, of: str) -> int:
        if of not in self._row_of:
            self._row_of[of] = len(self._ids)
            self._ids.append(of)
            self._id_bytes += sys.getsizeof(of)
        return self._row_of[of]

    def _drop(self, of: str) -> bool:
        row = self._row_of.pop(of, None)
        if row is None:
            return False
        last = self._ids.pop()
        if last != of:
            self._ids[row] = last
            self._row_of[last] = row
            self._rows[row] = self._rows[len(self._ids)]
        self._rows[len(self._ids)] = 0.0  # what was forgotten stays nowhere
        self._id_bytes -= sys.getsizeof(of)
        return True

    def _resize(self, count: int) -> None:
        capacity = len(self._rows)
        while capacity < count:
            capacity *= 2
        while capacity > _FIRST_CAPACITY and count * 4 <= capacity:
            capacity //= 2
        if capacity != len(self._rows):
            resized = np.zeros((capacity, self.dimension), np.float32)
            kept = min(count, len(self._rows))
            resized[:kept] = self._rows[:kept]
            self._rows = resized
