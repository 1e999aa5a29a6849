"""A shared state that takes the place of one that was ready begins as ready: the service never stopped.

Said in the GCS's store, by whoever replaces it, for as long as that takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from ray.experimental.internal_kv import _internal_kv_del, _internal_kv_exists, _internal_kv_put

KEY: Final = b"aragora-shared-state-is-replaced"


@contextmanager
def begins_ready() -> Iterator[None]:
    """A shared state that begins within the block is ready. This process is connected."""
    _internal_kv_put(KEY, b"1")
    try:
        yield
    finally:
        _internal_kv_del(KEY)


def is_replaced() -> bool:
    """Whether the shared state that begins now takes the place of one that was ready."""
    return bool(_internal_kv_exists(KEY))
