"""The checkout under test, as it lies there: what is not committed yet is tested too."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

CHECKOUT: Final = Path(__file__).parents[3]
VENV: Final = Path(sys.prefix)
DEBIAN: Final = VENV / "debian"
OTHER_RAY: Final = VENV / "other-ray"
"""Another version of Ray, which `make drill` downloads."""


def copy_tree(destination: Path) -> None:
    """The files of the checkout, without what git ignores (data, secrets, environments)."""
    ignored = [line.strip("/") for line in (CHECKOUT / ".gitignore").read_text(encoding="utf-8").split() if line]
    shutil.copytree(CHECKOUT, destination, ignore=shutil.ignore_patterns(".git", *ignored), dirs_exist_ok=True)


def copy_history(destination: Path) -> None:
    """Make the copy at `destination` a clone, where the checkout is one: its changes are seen as such."""
    if not (CHECKOUT / ".git").exists():
        return
    with tempfile.TemporaryDirectory() as directory:  # git would follow the path of a rack and find nothing
        clone = Path(directory) / "clone"
        subprocess.run(["git", "clone", "--quiet", "--no-checkout", str(CHECKOUT), str(clone)], check=True)
        subprocess.run(["git", "read-tree", "HEAD"], cwd=clone, check=True)
        shutil.copytree(clone / ".git", destination / ".git", symlinks=True)


def relocate(venv: Path, moves: dict[Path, Path]) -> None:
    """Write new paths into the files of a copied environment that hold absolute ones."""
    site = next(venv.glob("lib/python3*/site-packages"))
    for file in (venv / "pyvenv.cfg", *venv.glob("bin/*"), *site.glob("*.pth")):
        if file.is_symlink() or not file.is_file():
            continue
        before = content = file.read_bytes()
        for old, new in moves.items():
            content = content.replace(str(old).encode(), str(new).encode())
        if content != before:
            file.write_bytes(content)
