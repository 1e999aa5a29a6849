"""The rack: a process, mount and network namespace that holds a whole bed, and is all that has to be removed.

Its first process reads a pipe of ours until it ends. When that process dies, the kernel kills every process in the
rack, the hosts' among them; with the last of them go their mounts and their networks. So nothing is left behind,
neither when the bed is removed in order nor when the test run is killed: the pipe ends with it. Nothing has a name
outside the rack, so beds do not meet.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import psutil
from worlds.hosts.commands import machine
from worlds.waiting import wait_until

STORE: Final = Path("/run/bed")  # as the rack sees it: its own memory, over the machine's /run
BASE: Final = STORE / "base"
TOOLS: Final = STORE / "tools"
NAMESPACES: Final = ("--mount", "--net", "--pid", "--fork", "--kill-child")


class Rack:
    """A running rack. `close` removes it with everything in it; so does the end of this process."""

    def __init__(self) -> None:
        self._launcher = Launcher(["unshare", *NAMESPACES, "cat"])
        try:
            self.pid = self._launcher.first_process()
            self.run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
            self.run("mkdir", "-p", str(BASE), str(TOOLS))
        except BaseException:
            self.close()
            raise

    def run(self, *argv: str, given: str = "") -> str:
        """A command of the machine, inside the rack: its mounts, its network, its processes."""
        return machine(*self.entering, *argv, given=given)

    def tool(self, *argv: str, network: int | None = None, given: str = "") -> str:
        """A command from the hosts' file system, for what this machine may not have; in the network of the rack, or of
        the process `network`."""
        where = (f"--mount=/proc/{self.pid}/ns/mnt", f"--net=/proc/{network or self.pid}/ns/net")
        inside = f"--pid=/proc/{self.pid}/ns/pid"
        return machine("nsenter", *where, inside, "--", "chroot", str(TOOLS), *argv, given=given)

    @property
    def entering(self) -> tuple[str, ...]:
        return ("nsenter", "--target", str(self.pid), "--mount", "--net", "--pid", "--")

    def path(self, inside: Path) -> Path:
        """A path of the rack as this process reaches it. Absolute links on the way would lead out of the rack."""
        return Path(f"/proc/{self.pid}/root") / inside.relative_to("/")

    def close(self) -> None:
        """End every process of the rack and return when they are gone."""
        self._launcher.close()


class Launcher:
    """A command that makes namespaces and starts their first process, which reads our pipe as its input."""

    def __init__(self, argv: Sequence[str]) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 (open as long as the process)
        self._process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=self._said, stderr=self._said, start_new_session=True
        )

    def first_process(self) -> int:
        """Its id out here. Raises OSError, with what the command said, where the kernel refuses."""
        pid = wait_until(self._found, "the namespaces have a first process")
        assert pid is not None
        return pid

    def said(self) -> str:
        self._said.seek(0)
        return self._said.read().decode(errors="replace").strip()

    def ended(self) -> bool:
        return self._process.poll() is not None

    def close(self) -> None:
        """Close the pipe and return when the command has ended: its first process must end by the pipe or a signal."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._said.close()

    def _found(self) -> int | None:
        if self.ended():
            raise OSError(self.said() or "the command ended without a word")
        for child in psutil.Process(self._process.pid).children(recursive=True):
            if numbers(child.pid)[-1:] == ["1"]:
                return child.pid
        return None


def numbers(pid: int) -> list[str]:
    """The ids of a process, from the namespace of this process inward; none where it has just ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return []
    return next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[1:]
