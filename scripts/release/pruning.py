"""Which releases stay: the newest ones, and those whose files a process still uses."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

KEPT: Final = 3
"""The current one, the one before it for a way back, and one more."""


def prune(releases: Path, current: Path) -> None:
    """Remove all releases but `current`, the newest (those that were made current last), and those in use; and what was
    moved aside because it did not work."""
    newest = sorted(releases.glob("[!.]*"), key=lambda release: release.stat().st_mtime, reverse=True)
    candidates = [release for release in newest[KEPT:] if release != current]
    candidates += releases.glob(".broken-*")
    for release in candidates:
        if not in_use(release):
            shutil.rmtree(release, ignore_errors=True)


def in_use(release: Path, proc: Path = Path("/proc")) -> bool:
    """Whether a process that this user may look at has its directory, program, arguments, or a file below `release`:
    mapped or open. A Python process has only links out of its environment as its program, but it maps packages."""
    inside = os.fsencode(release) + b"/"
    return any(inside in told for told in _told_by_processes(proc))


def _told_by_processes(proc: Path) -> Iterator[bytes]:
    for process in proc.glob("[0-9]*"):
        if process.name == str(os.getpid()):
            continue
        for link in (process / "cwd", process / "exe", *_listed(process / "fd")):
            yield _target(link)
        yield _content(process / "cmdline")
        yield _content(process / "maps")


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:  # ended meanwhile, or somebody else's
        return []


def _target(link: Path) -> bytes:
    try:
        return os.fsencode(link.readlink()) + b"/"
    except OSError:
        return b""


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""
