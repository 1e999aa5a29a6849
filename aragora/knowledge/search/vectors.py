"""Vectors of meaning: float32, of length 1, so that their product is their cosine. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import repeat
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Vector: TypeAlias = NDArray[np.float32]  # of one text: (dimension,)
Vectors: TypeAlias = NDArray[np.float32]  # of many: (texts, dimension)

_UNIT: Final = 1e-3  # how far a length may be from 1: rounding to float16 and back stays below
_ROUNDING: Final = 1e-5  # two ways to add up a product in float32 differ by less


class Near(NamedTuple):
    """An id and the cosine of its vector to what was sought."""

    id: str
    cosine: float


def checked(vectors: ArrayLike, dimension: int) -> Vectors:
    """`vectors` as rows of float32. Raises ValueError unless each is finite, of this dimension and of length 1."""
    rows = np.atleast_2d(np.asarray(vectors, dtype=np.float32))
    if rows.ndim != 2 or rows.shape[1] != dimension:
        raise ValueError(f"vectors of {dimension} numbers are expected here, not {rows.shape[-1]}")
    lengths = np.linalg.norm(rows, axis=1)
    if not bool(np.all(np.abs(lengths - 1.0) <= _UNIT)):  # also where one is not finite
        raise ValueError("a vector is not of length 1")
    return rows


def nearest_rows(cosines: NDArray[np.float32], k: int) -> NDArray[np.intp]:
    """The places of the `k` largest cosines, and of all that rounding may have put below them."""
    if k >= len(cosines):
        return np.arange(len(cosines))
    least = np.partition(cosines, len(cosines) - k)[len(cosines) - k]
    return np.flatnonzero(cosines >= least - _ROUNDING)


def places_of(place_of: Mapping[str, int], ids: Collection[str]) -> NDArray[np.intp]:
    """The places of those of `ids` that have one, ascending, each once."""
    found = np.fromiter(map(place_of.get, ids, repeat(-1)), np.intp, len(ids))
    return np.unique(found[found >= 0])


def ranked(ids: Sequence[str], rows: Vectors, query: Vector, k: int) -> list[Near]:
    """The `k` of `ids` whose `rows` are nearest to `query`, the nearest first, equal ones by their ids.

    The products are added up in float64 and row by row, so that equal vectors have equal cosines wherever they stand.
    """
    cosines = (rows.astype(np.float64) * query.astype(np.float64)).sum(axis=1)
    near = sorted(zip(ids, cosines.tolist(), strict=True), key=lambda pair: (-pair[1], pair[0]))
    return [Near(of, cosine) for of, cosine in near[:k]]
