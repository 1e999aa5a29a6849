"""How long the vectors of one workspace are searched, exact and compressed, and whether the same is found.

The vectors are made: clusters of 100 around a common mean, so that unrelated ones have the cosine of 0.8 that real ones
of the embedded model have. Every line has brute force beside it, with the same vectors in the same run.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aragora.knowledge.search.compressed import CompressedMatrix
from aragora.knowledge.search.vector_index import SAMPLE, VectorIndex
from aragora.knowledge.search.vectors import Vectors
from benchmarks.figures import percentile
from benchmarks.knowledge.options import Options
from benchmarks.webhooks.options import Line

DIMENSION: Final = 384
K: Final = 10
SHARES: Final = (1.0, 0.1, 0.01, 0.001)  # of the ids that are allowed
_BLOCK: Final = 20_000
_MEAN, _CLUSTER, _OWN, _ASKED = 0.9, 0.35, 0.27, 0.15  # how much of a vector is what
_GOAL_MS: Final = 20.0
_RECALL: Final = 0.98


def run(options: Options) -> Iterator[Line]:
    """A line for each size, kind of matrix and share of allowed ids."""
    for count in (options.vectors // 10, options.vectors):
        vectors, queries = made(count, options.searches)
        yield from _searched("exact", VectorIndex(), vectors, queries)
        if count > SAMPLE:
            index = VectorIndex(CompressedMatrix, compressed_from=count)
            yield from _searched("compressed", index, vectors, queries)


def made(count: int, searches: int) -> tuple[Vectors, Vectors]:
    """Vectors, and queries that are near some of them."""
    chance = np.random.default_rng(14)
    mean, *clusters = _directions(chance, 1 + max(1, count // 100))
    centres = np.stack(clusters)
    vectors = np.empty((count, DIMENSION), np.float32)
    for start in range(0, count, _BLOCK):
        own = _directions(chance, min(_BLOCK, count - start))
        near = centres[chance.integers(0, len(centres), len(own))]
        vectors[start : start + len(own)] = _unit(_MEAN * mean + _CLUSTER * near + _OWN * own)
    asked = vectors[chance.integers(0, count, searches)] + _ASKED * _directions(chance, searches)
    return vectors, _unit(asked)


def _searched(kind: str, index: VectorIndex, vectors: Vectors, queries: Vectors) -> Iterator[Line]:
    ids = [f"i{number:07}" for number in range(len(vectors))]
    began = time.perf_counter()
    for start in range(0, len(ids), _BLOCK):
        index.put("e", "w", ids[start : start + _BLOCK], vectors[start : start + _BLOCK])
    build_s = time.perf_counter() - began
    chance = np.random.default_rng(41)
    for share in SHARES:
        allowed = np.sort(chance.permutation(len(ids))[: max(K, int(len(ids) * share))])
        names = None if share == 1.0 else {ids[number] for number in allowed}
        found, took_ms = _timed(index, queries, names)
        truth = [{ids[row] for row in allowed[_best(vectors[allowed] @ query)]} for query in queries[: len(found)]]
        recall = sum(len(one & other) for one, other in zip(found, truth, strict=True)) / sum(map(len, truth))
        figures: dict[str, object] = {
            "kind": kind,
            "vectors": len(ids),
            "allowed_share": share,
            "p50_ms": percentile(took_ms, 0.5),
            "p99_ms": percentile(took_ms, 0.99),
            "recall_at_10": recall,
            "build_s": build_s,
            "index_mb": index.size_bytes / 1e6,
        }
        least = 1.0 if kind == "exact" else _RECALL
        goal = f"p50 {_GOAL_MS:g} ms, recall@10 {least:g}"
        yield Line("scan", figures, goal, percentile(took_ms, 0.5) <= _GOAL_MS and recall >= least)
    index.close()


def _timed(index: VectorIndex, queries: Vectors, allowed: Collection[str] | None) -> tuple[list[set[str]], list[float]]:
    """What was found, and how long each search took, ascending."""
    found, took_ms = [], []
    index.nearest("e", ["w"], queries[0], K, allowed=allowed)
    for query in queries:
        began = time.perf_counter()
        hits = index.nearest("e", ["w"], query, K, allowed=allowed)
        took_ms.append(1e3 * (time.perf_counter() - began))
        found.append({hit.id for hit in hits})
    return found, sorted(took_ms)


def _best(cosines: Vectors) -> NDArray[np.intp]:
    best: NDArray[np.intp] = np.argsort(-cosines, kind="stable")[:K]
    return best


def _directions(chance: np.random.Generator, count: int) -> Vectors:
    return _unit(chance.standard_normal((count, DIMENSION), np.float32))


def _unit(rows: Vectors) -> Vectors:
    unit: Vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit
