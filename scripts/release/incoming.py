"""The files that were copied to this node: which they are, what they are called as a release, and a copy of them.

rsync as `ray up` calls it never deletes. A file that the source no longer has (a renamed migration, a module of the
newer release after a way back) would stay here for ever, and be part of every later release of this node alone. So
after each installation all files get one odd time of change: the next copying gives every file of the source its own
time back, and what still has the odd one is gone there.
"""

from __future__ import annotations

import hashlib
import os
import random
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from release.refused import Refused

NEEDED: Final = (
    "Makefile",
    "requirements.lock",
    "serve_app.py",
    "actors/__init__.py",
    "aragora/__init__.py",
    "scripts/install_release.py",
    "scripts/link_checkout.py",
)
"""Without these the copying has not come to its end."""
NO_PART: Final = frozenset({"__pycache__", ".git", ".nomic", ".venv", ".env"})
"""What is no part of a release, wherever it comes from: caches, and what belongs to a checkout or a node."""
ODD_TIMES: Final = (300_000_000, 900_000_000)
"""Seconds since 1970: files of this program are younger. Another one each time, since rsync compares whole seconds, and
the head hands its files on to the workers with their times."""
VERSION: Final = re.compile(r'^__version__ = "([0-9A-Za-z.+-]+)"$', re.MULTILINE)
HASH_DIGITS: Final = 12


def check(source: Path) -> None:
    """Raises Refused where `source` is no complete copy of the program."""
    missing = next((name for name in NEEDED if not (source / name).is_file()), None)
    if missing is not None:
        raise Refused(f"{source} is not complete (there is no {missing}): type `ray up` again, which copies it")


def name_of(source: Path) -> str:
    """VERSION-HASH. The hash is over all files: their paths, contents, and whether they can be executed."""
    version = VERSION.search((source / "aragora/__init__.py").read_text(encoding="utf-8"))
    if version is None:
        raise Refused(f'{source}/aragora/__init__.py has no line __version__ = "...": is it Aragora\'s?')
    digest = hashlib.sha256()
    for name in sorted(_files(source)):
        path = source / name
        kind, content = (b"l", os.fsencode(path.readlink())) if path.is_symlink() else (_kind(path), path.read_bytes())
        for part in (os.fsencode(name), kind, content):
            digest.update(len(part).to_bytes(8, "big") + part)
    return f"{version[1]}-{digest.hexdigest()[:HASH_DIGITS]}"


def copy(source: Path, target: Path) -> None:
    """Copy the files of `source` to `target`, with today's times: byte code and `make` compare them."""
    target.chmod(0o755)
    for name in _files(source):
        file, place = source / name, target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if file.is_symlink():
            place.symlink_to(file.readlink())
        else:
            shutil.copyfile(file, place)
            place.chmod(0o755 if _kind(file) == b"x" else 0o644)


def drop_what_the_source_no_longer_has(source: Path) -> None:
    """Remove the files that the last copying has left as they were.

    Nothing is removed unless all needed files were copied anew: whoever puts a single file here by hand, or starts this
    twice, has not said that the others are gone.
    """
    odd = _odd_time(source)
    if odd is None or any(_time(source / name) == odd for name in NEEDED):
        return
    for name in list(_files(source)):
        if _time(source / name) == odd:
            (source / name).unlink()


def mark(source: Path) -> None:
    """Give all files an odd time, after an installation. A mark that a kill cuts short is none: it is noted first."""
    odd = random.randrange(*ODD_TIMES)  # another one each time, on each node
    note = _note(source)
    for name in _files(source):
        os.utime(source / name, (odd, odd), follow_symlinks=False)
    note.with_suffix(".new").write_text(f"{odd}\n", encoding="utf-8")
    note.with_suffix(".new").replace(note)


def _files(source: Path) -> Iterator[str]:
    """The paths of all files and links below `source`, relative to it."""
    for folder, folders, names in os.walk(source):
        below = Path(folder).relative_to(source)
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        folders[:] = [name for name in folders if name not in NO_PART and name not in links]
        for name in (*names, *links):
            path = Path(folder) / name
            if name not in NO_PART and (path.is_file() or path.is_symlink()):
                yield str(below / name)


def _kind(file: Path) -> bytes:
    return b"x" if file.stat().st_mode & 0o100 else b"-"


def _time(file: Path) -> int:
    return int(file.lstat().st_mtime)


def _note(source: Path) -> Path:
    return source.with_name(".incoming-time")


def _odd_time(source: Path) -> int | None:
    try:
        return int(_note(source).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
