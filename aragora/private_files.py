"""Files that only their owner may read: what the server makes holds password hashes, tokens, keys and every debate.

A process that makes files calls `make_files_private` first. `repair` takes away what an earlier version, a restored
copy or an editor left open; `open_to_others` only looks.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
"""The bits of a file's mode that let its group and everybody else in."""


@dataclass(frozen=True, slots=True)
class Repair:
    """What `repair` did: how many entries it closed, and those that it could not change."""

    closed: int
    left: tuple[Path, ...]


def make_files_private() -> None:
    """From now on what this process and its children make is their owner's alone: directories 0700, files 0600."""
    os.umask(OTHERS)


def open_to_others(directory: Path) -> Iterator[Path]:
    """The directory itself and whatever in it gives group or others a right; links are not followed.

    What disappears meanwhile is passed over, and so is what cannot be looked into. Nothing where there is no directory.
    """
    if _is_open(directory):
        yield directory
    for folder, folders, files in os.walk(directory):
        yield from (path for name in (*folders, *files) if _is_open(path := Path(folder) / name))


def repair(directory: Path) -> Repair:
    """Take every right of group and others from the directory and all that is in it."""
    closed, left = 0, []
    for path in open_to_others(directory):
        try:
            path.chmod(stat.S_IMODE(path.lstat().st_mode) & ~OTHERS)
        except FileNotFoundError:
            continue
        except OSError:  # another user's file, or a file system without modes
            left.append(path)
        else:
            closed += 1
    return Repair(closed, tuple(left))


def _is_open(path: Path) -> bool:
    try:
        mode = path.lstat().st_mode
    except OSError:
        return False
    return not stat.S_ISLNK(mode) and bool(mode & OTHERS)
