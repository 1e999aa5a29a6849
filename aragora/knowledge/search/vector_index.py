"""The vectors of all workspaces in memory: a cache of the store, rebuilt from it and never the truth.

Rules
- There is one matrix for each embedder and workspace. Vectors of two embedders are never compared, and a search reads
  the matrices of the workspaces that it names and no others.
- What is not allowed is left out before the best are chosen: `k` come back wherever `k` exist.
- Dropping an id drops it from every embedder: no later search returns it.
- Cosines order the hits, equal ones by workspace and id: the same content answers the same.
- A workspace is an exact matrix; from `compressed_from` vectors on it is moved into a compressed one, where there is
  one. Where the disk has no room for that, or the codes cannot be made of such vectors, all are exact matrices from
  then on: more memory, and the same answers.

It answers with ids alone. Who asks the store what of them may be shown.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from heapq import nsmallest
from typing import Final, NamedTuple, Protocol

import numpy as np
import structlog

from aragora.knowledge.search.exact_matrix import ExactMatrix
from aragora.knowledge.search.vectors import Near, Vector, Vectors, checked

COMPRESSED_FROM: Final = 20_000
"""Vectors of one workspace from which the codes are scanned: both ways take 2 to 3 ms there, and the codes a fifth of
the memory (`benchmarks.knowledge --scenario scan`)."""
SAMPLE: Final = 2_048
"""Vectors by which a compressed matrix is calibrated."""

log = structlog.get_logger("aragora.knowledge")


class Matrix(Protocol):
    """The vectors of one workspace, as `ExactMatrix` describes them."""

    dimension: int

    def __len__(self) -> int: ...
    def __contains__(self, of: str) -> bool: ...
    @property
    def size_bytes(self) -> int: ...
    def put(self, ids: Sequence[str], vectors: Vectors) -> None: ...
    def drop(self, ids: Collection[str]) -> int: ...
    def nearest(self, query: Vector, k: int, allowed: Collection[str] | None = None) -> list[Near]: ...
    def vectors_of(self, ids: Sequence[str]) -> Vectors: ...
    def blocks(self) -> Iterator[tuple[list[str], Vectors]]: ...
    def close(self) -> None: ...


class Hit(NamedTuple):
    """What a search found: `cosine` to the query, -1 to 1."""

    workspace: str
    id: str
    cosine: float


class VectorIndex:
    """Not for several threads at once.

    Args:
        compressed: makes a compressed matrix for vectors of which it gets a sample, or raises OSError or ValueError;
            None keeps all exact.
        compressed_from: vectors of one workspace from which on it is moved into one.
    """

    def __init__(
        self, compressed: Callable[[Vectors], Matrix] | None = None, compressed_from: int = COMPRESSED_FROM
    ) -> None:
        self._compressed = compressed
        self._compressed_from = compressed_from
        self._matrices: dict[tuple[str, str], Matrix] = {}

    @property
    def size_bytes(self) -> int:
        """The memory that all matrices take."""
        return sum(matrix.size_bytes for matrix in self._matrices.values())

    def count(self, embedder_id: str, workspace: str) -> int:
        """How many vectors of this embedder the workspace has."""
        matrix = self._matrices.get((embedder_id, workspace))
        return 0 if matrix is None else len(matrix)

    def is_exact(self, embedder_id: str, workspace: str) -> bool:
        """Whether every vector of the workspace is compared."""
        matrix = self._matrices.get((embedder_id, workspace))
        return matrix is None or isinstance(matrix, ExactMatrix)

    def put(self, embedder_id: str, workspace: str, ids: Sequence[str], vectors: Vectors) -> None:
        """Keep a vector for each id, in place of an earlier one. Raises ValueError for vectors of another dimension
        than the embedder's others here, not of length 1, or not as many as ids; then none is kept."""
        if not len(ids):
            return
        key = (embedder_id, workspace)
        matrix = self._matrices.get(key)
        if matrix is None:
            matrix = ExactMatrix(vectors.shape[-1])
        try:
            matrix.put(ids, vectors)
        except OSError as error:
            matrix = self._uncompressed(matrix, error)
            matrix.put(ids, vectors)
        self._matrices[key] = matrix
        if self._compressed and isinstance(matrix, ExactMatrix) and len(matrix) >= self._compressed_from:
            try:
                self._matrices[key] = _moved(matrix, self._compressed(_sample(matrix)))
            except (OSError, ValueError) as error:
                self._compress_no_more(error)

    def drop(self, workspace: str, ids: Collection[str]) -> int:
        """Forget these ids of a workspace for every embedder. Returns how many vectors went."""
        return sum(self._matrices[key].drop(ids) for key in list(self._matrices) if key[1] == workspace)

    def drop_embedder(self, embedder_id: str) -> None:
        """Forget the vectors of one embedder, in every workspace."""
        self._close([key for key in self._matrices if key[0] == embedder_id])

    def nearest(
        self,
        embedder_id: str,
        workspaces: Collection[str],
        query: Vector,
        k: int,
        *,
        allowed: Collection[str] | None = None,
        floor: float = -1.0,
    ) -> list[Hit]:
        """The `k` nearest to `query` in these workspaces, the nearest first.

        Args:
            allowed: only these ids, where given.
            floor: hits with a cosine below it are left out: see the embedder's.

        Raises ValueError for a query of another dimension or length.
        """
        found: list[Hit] = []
        for workspace in set(workspaces):
            matrix = self._matrices.get((embedder_id, workspace))
            if matrix is not None:
                asked = checked(query, matrix.dimension)[0]
                near = matrix.nearest(asked, k, allowed)
                found.extend(Hit(workspace, of, cosine) for of, cosine in near if cosine >= floor)
        return nsmallest(k, found, key=lambda hit: (-hit.cosine, hit.workspace, hit.id))

    def vectors_of(self, embedder_id: str, workspace: str, ids: Sequence[str]) -> Vectors:
        """The vectors of these ids, in their order. Raises KeyError for one that is not here."""
        return self._matrices[embedder_id, workspace].vectors_of(ids)

    def close(self) -> None:
        """Forget everything."""
        self._close(list(self._matrices))

    def _uncompressed(self, matrix: Matrix, error: OSError) -> Matrix:
        self._compress_no_more(error)
        return _moved(matrix, ExactMatrix(matrix.dimension))

    def _compress_no_more(self, error: Exception) -> None:
        log.warning("vectors of large workspaces are not compressed: they stay in memory", error=str(error))
        self._compressed = None

    def _close(self, keys: Sequence[tuple[str, str]]) -> None:
        for key in keys:
            self._matrices.pop(key).close()


def _sample(matrix: ExactMatrix) -> Vectors:
    """Vectors drawn at random, the same for the same matrix."""
    drawn = np.random.default_rng(0).permutation(len(matrix))[:SAMPLE]
    return matrix.vectors_at(drawn)


def _moved(old: Matrix, new: Matrix) -> Matrix:
    """The new one with what the old one has, which is closed. Raises OSError, ValueError; then the old one is as it
    was."""
    try:
        for ids, vectors in old.blocks():
            new.put(ids, vectors)
    except (OSError, ValueError):
        new.close()
        raise
    old.close()
    return new
