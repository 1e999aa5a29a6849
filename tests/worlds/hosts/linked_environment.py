"""An environment of its own for a program on a host, whose packages are those of the release that every host has."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Final

from worlds.hosts.base_layer import RELEASE, not_locked
from worlds.hosts.tree import CHECKOUT, VENV, relocate

STAMP: Final = ".installed"


def linked_environment(venv: Path, program: Path, but: Collection[str] = ()) -> None:
    """Make the environment at `venv`, as we see it, of the program that is at `program` as the host sees it. Packages
    whose folders are named in `but` are left out."""
    packages = next(VENV.glob("lib/python3*/site-packages"))
    spare = not_locked(packages)
    site = packages.relative_to(VENV)
    for directory in (venv / "bin", venv / site):
        directory.mkdir(parents=True)
    for entry in (VENV / "pyvenv.cfg", VENV / STAMP, *VENV.glob("bin/*"), *packages.glob("*.pth")):
        if entry not in spare and entry.is_file():
            shutil.copy2(entry, venv / entry.relative_to(VENV), follow_symlinks=False)
    for entry in packages.iterdir():
        if entry not in spare and entry.suffix != ".pth" and entry.name not in but:
            (venv / site / entry.name).symlink_to(RELEASE / ".venv" / site / entry.name)
    relocate(venv, {VENV: program / ".venv", CHECKOUT: program})
