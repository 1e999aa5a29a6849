from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from aragora.knowledge.search.compressed import CompressedMatrix
from aragora.knowledge.search.exact_matrix import ExactMatrix
from aragora.knowledge.search.vector_index import Hit, Matrix, VectorIndex

DIMENSION = 8
FEW = 12  # directions, so that equal vectors and ties are common
WORKSPACES = ("one", "two", "two ", "TWO")
EMBEDDERS = ("old", "new")

_drawn = np.random.default_rng(14).standard_normal((FEW, DIMENSION))
DIRECTIONS: NDArray[np.float32] = (_drawn / np.linalg.norm(_drawn, axis=1, keepdims=True)).astype(np.float32)

MATRICES = [ExactMatrix, CompressedMatrix]

ids = st.sampled_from([f"i{number}" for number in range(20)])
directions = st.integers(0, FEW - 1)
puts = st.tuples(
    st.just("put"),
    st.sampled_from(EMBEDDERS),
    st.sampled_from(WORKSPACES),
    st.lists(st.tuples(ids, directions), max_size=30),
)
drops = st.tuples(st.just("drop"), st.sampled_from(WORKSPACES), st.lists(ids, max_size=8))
changes = st.lists(puts | puts | drops, max_size=12)

questions = st.tuples(st.sets(st.sampled_from(WORKSPACES)), directions, st.integers(0, 30), st.none() | st.sets(ids))

Question = tuple[set[str], int, int, set[str] | None]
Kept = dict[tuple[str, str], dict[str, int]]


def applied(steps: list[Any], index: VectorIndex) -> Kept:
    """What the index must hold after these steps."""
    kept: Kept = {}
    for step in steps:
        match step:
            case ("put", embedder, workspace, pairs):
                index.put(embedder, workspace, [of for of, _ in pairs], DIRECTIONS[[at for _, at in pairs]])
                kept.setdefault((embedder, workspace), {}).update(pairs)
            case ("drop", workspace, of):
                index.drop(workspace, of)
                for (_, place), found in kept.items():
                    for one in of if place == workspace else ():
                        found.pop(one, None)
    return kept


def brute_force(kept: Kept, embedder: str, workspaces: set[str], query: int, allowed: set[str] | None) -> list[Hit]:
    asked = DIRECTIONS[query].astype(np.float64)
    hits = [
        Hit(workspace, of, float((DIRECTIONS[at].astype(np.float64) * asked).sum()))
        for (key, workspace), found in kept.items()
        if key == embedder and workspace in workspaces
        for of, at in found.items()
        if allowed is None or of in allowed
    ]
    return sorted(hits, key=lambda hit: (-hit.cosine, hit.workspace, hit.id))


@given(changes, st.sampled_from(EMBEDDERS), questions)
@settings(max_examples=300)
def test_hits_are_those_of_brute_force_over_what_was_kept(steps: list[Any], embedder: str, asked: Question) -> None:
    index = VectorIndex()
    kept = applied(steps, index)
    workspaces, query, k, allowed = asked
    hits = index.nearest(embedder, workspaces, DIRECTIONS[query], k, allowed=allowed)
    assert hits == brute_force(kept, embedder, workspaces, query, allowed)[:k]


@given(changes, questions)
@settings(max_examples=100)
def test_small_compressed_workspaces_answer_as_brute_force(steps: list[Any], asked: Question) -> None:
    index = VectorIndex(CompressedMatrix, compressed_from=5)
    kept = applied(steps, index)
    workspaces, query, k, allowed = asked
    hits = index.nearest("new", workspaces, DIRECTIONS[query], k, allowed=allowed)
    assert hits == brute_force(kept, "new", workspaces, query, allowed)[:k]
    index.close()


@given(changes)
def test_counts_are_those_of_what_was_kept(steps: list[Any]) -> None:
    index = VectorIndex()
    kept = applied(steps, index)
    for embedder in EMBEDDERS:
        for workspace in WORKSPACES:
            assert index.count(embedder, workspace) == len(kept.get((embedder, workspace), {}))


@pytest.fixture(params=MATRICES)
def make(request: pytest.FixtureRequest) -> Iterator[Callable[[], Matrix]]:
    made: list[Matrix] = []

    def build() -> Matrix:
        made.append(request.param(DIMENSION if request.param is ExactMatrix else unit(64, seed=2)))
        return made[-1]

    yield build
    for matrix in made:
        matrix.close()


def unit(count: int, seed: int = 1) -> NDArray[np.float32]:
    drawn = np.random.default_rng(seed).standard_normal((count, DIMENSION))
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


def test_a_dropped_id_is_never_found_again_and_takes_no_place(make: Callable[[], Matrix]) -> None:
    matrix, vectors = make(), unit(100)
    matrix.put([str(number) for number in range(100)], vectors)
    gone = {str(number) for number in range(0, 100, 2)}
    assert matrix.drop(gone) == 50
    assert matrix.drop(gone) == 0
    near = matrix.nearest(vectors[0], 60)
    assert len(near) == 50
    assert not {hit.id for hit in near} & gone


@pytest.mark.parametrize("share", [1, 2, 10, 99])
def test_k_come_back_whatever_share_of_the_ids_is_allowed(make: Callable[[], Matrix], share: int) -> None:
    matrix, vectors = make(), unit(1_000)
    matrix.put([str(number) for number in range(1_000)], vectors)
    allowed = {str(number) for number in range(share)} | {"unknown"}
    near = matrix.nearest(vectors[500], 10, allowed)
    assert len(near) == min(10, share)
    assert {hit.id for hit in near} <= allowed


def test_a_later_vector_takes_the_place_of_an_earlier_one(make: Callable[[], Matrix]) -> None:
    matrix, (one, other) = make(), unit(2)
    matrix.put(["a"], one[None])
    matrix.put(["a", "a"], np.stack([one, other]))
    assert len(matrix) == 1
    assert matrix.nearest(other, 5)[0].cosine == pytest.approx(1.0)
    assert np.array_equal(matrix.vectors_of(["a"])[0], other)


@pytest.mark.parametrize(
    "vectors",
    [np.zeros((1, DIMENSION)), np.full((1, DIMENSION), np.nan), np.ones((1, DIMENSION)), unit(1)[:, :4], unit(2)],
)
def test_what_is_no_vector_of_length_1_is_refused_and_nothing_is_kept(
    make: Callable[[], Matrix], vectors: NDArray[Any]
) -> None:
    matrix = make()
    with pytest.raises(ValueError, match="vector"):
        matrix.put(["a"], vectors)
    assert len(matrix) == 0
    assert "a" not in matrix


def test_memory_is_given_back(make: Callable[[], Matrix]) -> None:
    matrix = make()
    empty = matrix.size_bytes
    matrix.put([str(number) for number in range(1_000)], unit(1_000))
    full = matrix.size_bytes
    assert full >= 1_000 * DIMENSION
    matrix.drop([str(number) for number in range(1_000)])
    assert len(matrix) == 0
    assert matrix.size_bytes < full
    assert isinstance(matrix, CompressedMatrix) or matrix.size_bytes == empty


def test_the_blocks_are_all_that_is_kept(make: Callable[[], Matrix]) -> None:
    matrix, vectors = make(), unit(300)
    matrix.put([str(number) for number in range(300)], vectors)
    matrix.drop(["7"])
    found = {of: row for block, rows in matrix.blocks() for of, row in zip(block, rows, strict=True)}
    assert len(found) == 299
    assert all(np.array_equal(row, vectors[int(of)]) for of, row in found.items())


def test_what_was_forgotten_stays_nowhere_in_the_matrix() -> None:
    matrix, vectors = ExactMatrix(DIMENSION), unit(3)
    matrix.put(["a", "b", "c"], vectors)
    matrix.drop(["a"])
    assert not any(np.array_equal(row, vectors[0]) for row in matrix._rows)


def test_what_was_forgotten_stays_nowhere_in_the_file(tmp_path: Path) -> None:
    matrix, vectors = CompressedMatrix(unit(64), tmp_path), unit(3)
    matrix.put(["a", "b", "c"], vectors)
    matrix.drop(["a"])
    matrix._file.seek(0)
    assert vectors[0].tobytes() not in matrix._file.read()
    assert not list(tmp_path.iterdir())
    matrix.close()


def test_a_workspace_is_moved_when_it_has_grown_and_answers_the_same() -> None:
    index, vectors = VectorIndex(CompressedMatrix, compressed_from=100), unit(150)
    exact = VectorIndex()
    for start in range(0, 150, 30):
        of = [str(number) for number in range(start, start + 30)]
        index.put("e", "w", of, vectors[start : start + 30])
        exact.put("e", "w", of, vectors[start : start + 30])
    assert not index.is_exact("e", "w")
    assert exact.is_exact("e", "w")
    assert index.nearest("e", ["w"], vectors[3], 10) == exact.nearest("e", ["w"], vectors[3], 10)
    index.close()


@pytest.mark.parametrize("room", [0, 120, 170], ids=["none to move", "not for all", "not for the newest"])
def test_where_the_disk_is_full_the_vectors_stay_in_memory_and_answer_the_same(
    room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    index, vectors = VectorIndex(CompressedMatrix, compressed_from=150), unit(200)
    exact, written, write = VectorIndex(), 0, CompressedMatrix._write

    def writes(matrix: CompressedMatrix, slot: int, rows: NDArray[np.float32]) -> None:
        nonlocal written
        written += np.count_nonzero(rows.any(axis=1))  # a dropped row is overwritten where it stands
        if written > room and rows.any():
            raise OSError(28, "No space left on device")
        write(matrix, slot, rows)

    monkeypatch.setattr(CompressedMatrix, "_write", writes)
    for start in range(0, 200, 50):
        of = [str(number) for number in range(start, start + 50)]
        for one in (index, exact):
            one.put("e", "w", of, vectors[start : start + 50])
    assert index.is_exact("e", "w")
    assert index.count("e", "w") == 200
    assert index.nearest("e", ["w"], vectors[3], 200) == exact.nearest("e", ["w"], vectors[3], 200)


@pytest.mark.parametrize("kept", [unit(200)[:, :7], unit(1).repeat(200, axis=0)], ids=["of 7 numbers", "all equal"])
def test_vectors_that_the_codes_cannot_be_made_of_stay_in_memory_and_answer_the_same(kept: NDArray[np.float32]) -> None:
    vectors = (kept / np.linalg.norm(kept, axis=1, keepdims=True)).astype(np.float32)
    index, exact = VectorIndex(CompressedMatrix, compressed_from=100), VectorIndex()
    for start in range(0, 200, 50):
        of = [str(number) for number in range(start, start + 50)]
        for one in (index, exact):
            one.put("e", "w", of, vectors[start : start + 50])
    assert index.is_exact("e", "w")
    assert index.nearest("e", ["w"], vectors[3], 10) == exact.nearest("e", ["w"], vectors[3], 10)


def test_vectors_of_two_embedders_are_never_compared() -> None:
    index, vectors = VectorIndex(), unit(2)
    index.put("old", "w", ["a"], vectors[:1])
    index.put("new", "w", ["b"], vectors[1:])
    assert [hit.id for hit in index.nearest("new", ["w"], vectors[0], 5)] == ["b"]
    index.drop_embedder("old")
    assert index.nearest("old", ["w"], vectors[0], 5) == []


def test_near_equal_texts_of_another_workspace_are_not_found() -> None:
    index, vectors = VectorIndex(), unit(1)
    for number in range(50):
        index.put("e", f"w{number}", [f"i{number}"], vectors)
    for number in range(50):
        assert [hit.id for hit in index.nearest("e", [f"w{number}"], vectors[0], 100)] == [f"i{number}"]


def test_hits_below_the_floor_are_left_out() -> None:
    index = VectorIndex()
    index.put("e", "w", ["a", "b"], np.stack([DIRECTIONS[0], -DIRECTIONS[0]]))
    assert [hit.id for hit in index.nearest("e", ["w"], DIRECTIONS[0], 5, floor=0.5)] == ["a"]


def test_a_query_of_another_dimension_is_refused() -> None:
    index = VectorIndex()
    index.put("e", "w", ["a"], unit(1))
    with pytest.raises(ValueError, match="vectors of 8 numbers"):
        index.nearest("e", ["w"], unit(1)[0, :4], 5)


def test_a_refused_first_put_leaves_no_matrix_of_a_wrong_dimension() -> None:
    index = VectorIndex()
    with pytest.raises(ValueError, match="vector"):
        index.put("e", "w", ["a"], np.zeros((1, 3), np.float32))
    index.put("e", "w", ["a"], unit(1))
    assert index.count("e", "w") == 1


def test_a_matrix_that_grew_and_shrank_still_finds_everything() -> None:
    matrix, vectors = ExactMatrix(DIMENSION), unit(1_000)
    matrix.put([str(number) for number in range(1_000)], vectors)
    matrix.drop([str(number) for number in range(990)])
    for number in range(990, 1_000):
        assert matrix.nearest(vectors[number], 1)[0].id == str(number)
