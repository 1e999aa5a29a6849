"""The `.venv` of a release: built, or taken from a release with the same packages, and made to stand where it stands.

Packages are large and never change, so a release shares them with another by hard links. What names the place of a
virtual environment (its programs, `.pth`, `activate`, `pyvenv.cfg`) is written as new files: the other one's stay.
Byte code is shared too, which is safe: it carries time and size of its source, which is the same file, Python replaces
it by renaming, and takes the path for tracebacks from where it found the source.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from release.refused import Refused

PROGRAMS: Final = ("aragora", "ray")
STAMP: Final = ".venv/.installed"
"""What `make install` writes at its end."""
NO_LINKS: Final = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP)
"""How file systems say that a file cannot have another name."""
TEXT_BYTES: Final = 2**20
FULL: Final = "No space left on device"
WHERE_FROM: Final = "import actors, aragora; print(aragora.__file__)"


def provide(place: Path, release: Path, log: Path) -> None:
    """Give the files at `place` an environment for their later place, `release`. Raises Refused, OSError."""
    giver = _giver(release.parent, place)
    if giver is not None:
        _share(giver / ".venv", place / ".venv")
        _relocate(place / ".venv", giver, place)
        _run([str(place / ".venv/bin/python"), "scripts/link_checkout.py"], place, log)
        stamp = place / STAMP
        stamp.unlink()
        stamp.touch()  # newer than the copied lock file, or `make install` would install all of it again
    else:
        sys.stdout.write("Installing the locked packages (once for each set of them; this takes some minutes) ...\n")
        sys.stdout.flush()
        _run(["make", "--no-print-directory", "install"], place, log)
    _relocate(place / ".venv", place, release)


def has_packages_for(source: Path) -> bool:
    """Whether a release here has the packages that the program at `source` wants."""
    return _giver(source.parent / "releases", source) is not None


def works(release: Path) -> bool:
    """Whether there is a release whose Python runs and finds the program there: a system's upgrade may take Python
    away, and a hand may have removed files."""
    try:
        check(release)
    except (Refused, OSError):
        return False
    return True


def check(release: Path) -> None:
    """Raises Refused where the release does not run from its place."""
    missing = [name for name in PROGRAMS if not os.access(release / ".venv/bin" / name, os.X_OK)]
    if missing or not (release / STAMP).exists():
        raise Refused(f"the release {release.name} has no {missing[0] if missing else STAMP}: see its `.venv`")
    done = subprocess.run(  # noqa: S603 - the release's own Python
        [release / ".venv/bin/python", "-B", "-c", WHERE_FROM],
        capture_output=True, text=True, check=False, cwd="/", env=_environment(),
    )  # fmt: skip
    if done.returncode != 0:
        raise Refused(f"the release {release.name} does not run: {_last_line(done.stderr)}")
    if done.stdout.strip() != str(release / "aragora/__init__.py"):
        raise Refused(f"the release {release.name} takes the program from {done.stdout.strip()}: remove it, try again")


def _giver(releases: Path, taker: Path) -> Path | None:
    """The newest release that has the packages of the same lock file."""
    lock = (taker / "requirements.lock").read_bytes()
    same = [
        file.parent
        for file in releases.glob("[!.]*/requirements.lock")
        if file.read_bytes() == lock and works(file.parent)
    ]
    return max(same, key=lambda release: release.stat().st_mtime, default=None)


def _share(giver: Path, taker: Path) -> None:
    """The same tree of folders, with the same files in it."""
    taker.mkdir()
    for entry in os.scandir(giver):
        place = taker / entry.name
        if entry.is_symlink():
            place.symlink_to(Path(entry.path).readlink())
        elif entry.is_dir():
            _share(Path(entry.path), place)
        else:
            _link_or_copy(Path(entry.path), place)


def _link_or_copy(file: Path, place: Path) -> None:
    try:
        place.hardlink_to(file)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        shutil.copy2(file, place)


def _relocate(venv: Path, old: Path, new: Path) -> None:
    """Write `new` for `old` wherever the environment at `venv` names its place. Both have the same folders inside."""
    for file in (venv / "pyvenv.cfg", *(venv / "bin").iterdir(), *venv.glob("lib/python*/site-packages/*.pth")):
        if file.is_symlink() or not file.is_file() or file.stat().st_size > TEXT_BYTES:
            continue
        content = file.read_bytes()
        if os.fsencode(old) in content:
            fresh = file.with_name(f".{file.name}.new")
            fresh.write_bytes(content.replace(os.fsencode(old), os.fsencode(new)))
            shutil.copymode(file, fresh)
            fresh.replace(file)


def _run(command: list[str], place: Path, log: Path) -> None:
    with log.open("w", encoding="utf-8") as output:
        try:
            done = subprocess.run(  # noqa: S603 - the two commands above
                command, cwd=place, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False,
                env=_environment(), close_fds=False,  # it inherits the lock of installations
            )  # fmt: skip
        except FileNotFoundError:
            raise Refused(f"`{command[0]}` is not installed: on Debian or Ubuntu: sudo apt install make") from None
    if done.returncode != 0:
        said = log.read_text(encoding="utf-8", errors="replace")
        if FULL in said:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(place.parent))
        raise Refused(f"the packages were not installed: {_last_line(said)} (all of it: {log})")


def _environment() -> dict[str, str]:
    """That of this process, without what would lead a Python or a `make` elsewhere; with this Python for a new one."""
    foreign = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "MAKEFLAGS", "VENV")
    return {name: value for name, value in os.environ.items() if name not in foreign} | {"PYTHON": sys.executable}


def _last_line(output: str) -> str:
    """The last line that is not `make`'s own, or pip's offer of a newer pip."""
    lines = [line.strip() for line in output.splitlines() if line.strip() and not line.startswith(("make", "[notice"))]
    return lines[-1][:300] if lines else "nothing was said"
