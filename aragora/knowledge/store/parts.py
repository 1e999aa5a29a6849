"""Many ids or keys, as single queries take them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

T = TypeVar("T")

LOOKED_UP: Final = 200
"""Ids or keys in one query: below SQLite's limit of parameters."""


def parts(of: Iterable[T]) -> Iterator[list[T]]:
    """These in their order, `LOOKED_UP` at a time."""
    wanted = list(of)
    for start in range(0, len(wanted), LOOKED_UP):
        yield wanted[start : start + LOOKED_UP]
