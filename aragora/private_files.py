"""Files that only their owner may read: what the server makes holds password hashes, tokens, keys and every debate.

A process that makes files calls `make_files_private` first; a key that several may make at once is put with `place`.
`repair` takes away what an earlier version, a restored copy or an editor left open; `open_to_others` only looks.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
"""The bits of a file's mode that let its group and everybody else in."""
OWN: Final = (
    *("*.db*", "keys", "run", "logs", "backups", "models", "jwt_secret", ".migrations.lock", ".writable-*"),
    *("sessions", "checkpoints", "artifacts", "root-artifacts"),
)
"""Names in a data directory that the server makes, or an earlier version made."""


@dataclass(frozen=True, slots=True)
class Repair:
    """What `repair` did: how many entries it closed, and those that it could not change."""

    closed: int
    left: tuple[Path, ...]


def make_files_private() -> None:
    """From now on what this process and its children make is their owner's alone: directories 0700, files 0600."""
    os.umask(OTHERS)


def place(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Put a whole file at `path`, durably, unless there is one already.

    It is written under another name and then linked into place: of several processes at once one link succeeds, and
    nobody reads half a file. Raises OSError where the directory cannot be written or its file system has no links.
    """
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            return  # another process was faster: its file is the one that counts
    finally:
        draft.unlink()


def open_to_others(directory: Path) -> Iterator[Path]:
    """What in a data directory is the server's and gives group or others a right; links are not followed.

    The directory itself counts where nothing else is in it: `/tmp` or a `/data` of several services is not its own.
    What disappears meanwhile is passed over, and so is what cannot be looked into. Nothing where there is no directory.
    """
    try:
        there = sorted(directory.iterdir())
    except OSError:
        return
    own = [path for path in there if any(fnmatch(path.name, pattern) for pattern in OWN)]
    if own and own == there and not directory.stat().st_mode & stat.S_ISVTX and _is_open(directory):
        yield directory
    for top in (path for path in own if not path.is_symlink()):
        if _is_open(top):
            yield top
        for folder, folders, files in os.walk(top):
            yield from (path for name in (*folders, *files) if _is_open(path := Path(folder) / name))


def repair(directory: Path) -> Repair:
    """Take every right of group and others from what `open_to_others` finds; what another user owns is left."""
    closed, left = 0, []
    for path in open_to_others(directory):
        try:
            found = path.lstat()
            if found.st_uid != os.geteuid():  # root may change it, and does not know whose it is
                left.append(path)
                continue
            path.chmod(stat.S_IMODE(found.st_mode) & ~OTHERS)
        except FileNotFoundError:
            continue
        except OSError:  # a file system without modes
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
