"""Make what was copied to this node its newest release, and the one that it runs.

    python3 ROOT/incoming/scripts/install_release.py ROOT

ROOT is /opt/aragora. `ray up` copies the program to ROOT/incoming; a release is a complete copy of that with its own
`.venv`, at ROOT/releases/VERSION-HASH; the link ROOT/current names the one that is run; ROOT/bin/aragora and
ROOT/bin/ray run it with the node's settings.

1. The same files give the same name, on every node. A release that is there is only linked: nothing is downloaded.
2. A release gets its name as the last step of its making. Whatever kills an installation, nothing half done has a name.
3. Files of a release never change. What runs goes on with the files it began with, and keeps them for as long.

Standard library only: it runs before anything is installed. Errors are one line that names the host.
"""

from __future__ import annotations

import platform
import sys

if sys.version_info < (3, 11):  # noqa: UP036 - a node may have an older one, and is to be told so
    found = ".".join(str(part) for part in sys.version_info[:3])
    sys.exit(
        f"aragora: {platform.node()}: python3 is version {found}, and 3.11 or newer is needed: install it, so that "
        "`python3` is the new one, and try again"
    )

import errno
import fcntl
import os
import pwd
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

sys.dont_write_bytecode = True  # what was copied here stays as it was copied

from release import environment, incoming, launchers, pruning  # noqa: E402 - after the line above
from release.refused import Refused, named  # noqa: E402

NEW: Final = ".new-"
"""What the directory of a release in the making is called, in `releases/`."""
BROKEN: Final = ".broken-"
ROOM_BYTES: Final = 200 * 2**20
"""Free space that a release needs whose packages are there already: its files, its byte code, and folders."""
ROOM_WITH_PACKAGES_BYTES: Final = 3 * 2**30
USAGE_ERROR: Final = 2


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0].startswith("-"):
        sys.stderr.write("usage: python3 ROOT/incoming/scripts/install_release.py ROOT\n")
        return USAGE_ERROR
    try:
        install(Path(os.path.abspath(arguments[0])))  # noqa: PTH100 - a link to the directory is to stay one
    except Refused as refused:
        sys.stderr.write(named(str(refused)) + "\n")
        return 1
    except OSError as error:
        sys.stderr.write(named(_told(error)) + "\n")
        return 1
    return 0


def install(root: Path) -> None:
    """Install what is in `root`/incoming. Raises Refused, OSError."""
    began = time.monotonic()
    _check_ownership(root)
    with _alone(root):
        releases = root / "releases"
        releases.mkdir(exist_ok=True)
        _remove_leftovers(releases)
        source = root / "incoming"
        incoming.check(source)
        incoming.drop_what_the_source_no_longer_has(source)
        release = releases / incoming.name_of(source)
        there = environment.works(release)
        if not there:
            release = _make(source, releases)
        os.utime(release)  # the newest are kept: those that ran last
        launchers.link(root, release)
        launchers.write(root)
        launchers.find_by_login_shells(root)
        pruning.prune(releases, current=release)
        incoming.mark(source)
    how = "was here" if there else f"installed in {time.monotonic() - began:.0f} s"
    sys.stdout.write(named(f"runs release {release.name} ({how})") + "\n")


def _make(source: Path, releases: Path) -> Path:
    """The release of what is in `source`, with the name that is its own once it is complete."""
    _check_room(releases)
    place = Path(tempfile.mkdtemp(prefix=NEW, dir=releases))
    try:
        incoming.copy(source, place)
        release = releases / incoming.name_of(place)  # of the copy: what is copied to this node may change meanwhile
        environment.provide(place, release, log=releases.parent / "install.log")
        os.sync()  # after a loss of power too, what has a name is complete
        if release.exists():
            release.rename(Path(tempfile.mkdtemp(prefix=BROKEN, dir=releases)) / release.name)
        place.rename(release)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    environment.check(release)
    return release


def _check_ownership(root: Path) -> None:
    user = pwd.getpwuid(os.geteuid()).pw_name
    remedy = f"type `sudo install -d -o {user} {root}` there, then `ray up` again"
    if not root.is_dir():
        raise Refused(f"there is no directory {root}: {remedy}")
    if root.stat().st_uid != os.geteuid() or not os.access(root, os.W_OK | os.X_OK):
        raise Refused(f"{root} does not belong to {user}: {remedy}")


def _check_room(releases: Path) -> None:
    needed = ROOM_BYTES if environment.has_packages_for(releases.parent / "incoming") else ROOM_WITH_PACKAGES_BYTES
    free = shutil.disk_usage(releases).free
    if free < needed:
        raise Refused(
            f"{free / 2**20:,.0f} MB are free in {releases}, and a new release needs {needed / 2**20:,.0f} MB: make "
            "room, then try again"
        )


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """One installation at a time; the lock ends with the processes that hold it. What installs packages holds it, too,
    and goes on where only this process is killed."""
    with (root / ".install.lock").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.stdout.write(named("another installation is at work; waiting for its end") + "\n")
            sys.stdout.flush()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _remove_leftovers(releases: Path) -> None:
    """Under the lock nobody else makes a release: what is unfinished was left by a killed installation."""
    for leftover in releases.glob(f"{NEW}*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _told(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full ({error.filename or error.strerror}): make room, then try again"
    return f"not installed: {error.strerror or error}" + (f" ({error.filename})" if error.filename else "")


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
