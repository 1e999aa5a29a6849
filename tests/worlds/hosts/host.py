"""One machine of the bed: its disk, its power switch, and commands on it.

Off, it has no process, no address and no network; its disk stays in the rack. Its /tmp, /run and /dev/shm are memory
and begin empty at every start. What was written is on the disk even when the power goes: a lost write cannot be shown
here.
"""

from __future__ import annotations

import os
import resource
import shlex
import signal
import socket
import sysconfig
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from worlds.hosts.base_layer import HOME, USER
from worlds.hosts.commands import GRACE_S, Finished, finished
from worlds.hosts.network import network_of
from worlds.hosts.rack import NAMESPACES, STORE, Launcher, Rack
from worlds.hosts.switch import Switch
from worlds.waiting import wait_until

DISK_SIZE: Final = "6g"  # at most; a disk takes only what is on it
PATHS: Final = {
    USER: "/usr/local/bin:/usr/bin:/bin",
    "root": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
}
HOMES: Final = {USER: str(HOME), "root": "/root"}
FAKED_TIME: Final = f"/usr/lib/{sysconfig.get_config_var('MULTIARCH')}/faketime/libfaketimeMT.so.1"


@dataclass(frozen=True)
class Part:
    """What makes a host a node, a laptop or a database: its services (shell commands), the ports they answer on once
    they are up, and what an empty disk of it gets (called with the disk's directory)."""

    services: Sequence[str]
    ports: Sequence[int]
    furnish: Callable[[Path], None]


class Host:
    """`name` and `address` stay for the life of the bed; `pid` is the first process while the power is on."""

    def __init__(self, rack: Rack, switch: Switch, name: str, addresses: Sequence[str], part: Part) -> None:
        self.name = name
        self.address = addresses[0]
        self.addresses = addresses
        self.pid: int | None = None
        self._rack = rack
        self._switch = switch
        self._part = part
        self._launcher: Launcher | None = None
        self._directory = STORE / "hosts" / name
        self._clock_ahead_s = 0
        rack.run("mkdir", "-p", str(self._directory / "disk"), str(self._directory / "root"))
        self._new_disk()

    def __repr__(self) -> str:
        return f"<{self.name} {self.address}, {'on' if self.is_on else 'off'}>"

    @property
    def is_on(self) -> bool:
        return self.pid is not None

    def power_on(self, clock_ahead_s: int = 0) -> None:
        """Boot on the disk as it is. With `clock_ahead_s` all commands and logins see clocks that far ahead (negative:
        behind), by a library in front of the system's; the kernel's own clock is that of all. A program that hands the
        kernel a point in time to wait for, past that library, waits for the wrong one."""
        self.begin_power_on(clock_ahead_s)
        self.wait_until_up()

    def begin_power_on(self, clock_ahead_s: int = 0) -> None:
        """As `power_on`, without waiting for its services: several hosts can boot at once."""
        assert not self.is_on, f"{self.name} is on already"
        self._clock_ahead_s = clock_ahead_s
        self._set_clock_of_logins()
        boot = Path(__file__).with_name("boot.sh").read_text(encoding="utf-8")
        self._launcher = Launcher(
            [
                *(*self._rack.entering, "unshare", *NAMESPACES, "--uts", "--ipc"),
                *("/bin/sh", "-c", boot, "boot", str(self._directory), self.name, *self._part.services),
            ]
        )
        self.pid = self._launcher.first_process()
        self._switch.plug(self.name, self.addresses, self.pid)

    def wait_until_up(self) -> None:
        """Return when every service of the host answers. Raises AssertionError, with what it said, when it ended."""
        try:
            wait_until(self._is_up, f"{self.name} is up")
        except AssertionError as missed:
            said = self._launcher.said() if self._launcher else ""
            raise AssertionError(f"{missed}; the host said: {said}") from None

    def power_off(self) -> None:
        """Cut the power: the others hear nothing more from it, not even that its connections have closed."""
        assert self._launcher is not None, f"{self.name} is off already"
        assert self.pid is not None
        self._switch.unplug(self.name)
        os.kill(self.pid, signal.SIGKILL)
        self._launcher.close()
        self.pid = self._launcher = None

    def replace_disk(self) -> None:
        """Give a host that is off an empty disk, as a new machine at its address has one."""
        assert not self.is_on, f"{self.name} is on: its disk is in use"
        self._rack.run("umount", str(self._directory / "disk"))
        self._new_disk()

    def kill_processes(self, user: str = USER) -> None:
        """kill -9 every process of a user at once; the machine, its sshd and its addresses stay."""
        self.run("kill -9 -1", user=user)

    def run(self, command: str, *, user: str = USER, given: str = "", timeout_s: float = 120.0) -> Finished:
        """A command in a login shell of `user`, in their home; killed with its children after `timeout_s` seconds.

        What it leaves running in a session of its own stays. `given` is its input.
        """
        limited = ("timeout", "--signal=KILL", f"{timeout_s:g}", "/bin/bash", "--login", "-c", command)
        return finished((*self.login(user), *limited), f"{self.name}$ {command}", given, timeout_s + GRACE_S)

    def start(self, command: str, *, user: str = USER, log: str = "/dev/null") -> int:
        """Start a command that goes on; returns its process id on the host. Its output goes to the file `log` there."""
        begun = self.run(
            f"setsid nohup /bin/bash -c {shlex.quote(command)} >{log} 2>&1 </dev/null & echo $!", user=user
        )
        return int(begun.output())

    def read(self, path: str) -> str:
        return self.run(f"cat {shlex.quote(path)}", user="root").output()

    def write(self, path: str, text: str, *, user: str = USER, mode: int = 0o600) -> None:
        """Write a file as `user`, with its directories. The text is never in a command line."""
        file = shlex.quote(path)
        told = f'umask 077 && mkdir -p "$(dirname {file})" && cat >{file} && chmod {mode:o} {file}'
        self.run(told, user=user, given=text).output()

    def network(self) -> AbstractContextManager[None]:
        """Within the block this thread's sockets are on this host: any client library speaks from there."""
        assert self.pid is not None, f"{self.name} is off"
        return network_of(self.pid)

    def listens(self, port: int) -> bool:
        """Whether something takes connections to this port, asked on the host itself."""
        with self.network():
            try:
                socket.create_connection((self.address, port), timeout=5).close()
            except OSError:
                return False
            return True

    def entering(self) -> tuple[str, ...]:
        """The command that a person types before another to have it on this host, as root."""
        assert self.pid is not None, f"{self.name} is off"
        return ("nsenter", "--target", str(self.pid), "--mount", "--net", "--pid", "--uts", "--ipc", "--")

    def login(self, user: str = USER) -> tuple[str, ...]:
        """What stands before a command to have it as this user, in their home, with a login's environment."""
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        as_user = ("setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups") if user != "root" else ()
        settings = {
            "HOME": HOMES[user],
            "USER": user,
            "LOGNAME": user,
            "SHELL": "/bin/bash",
            "PATH": PATHS[user],
            "LANG": "C.UTF-8",
            **self._clock(),
        }
        environment = ("env", "-i", f"--chdir={HOMES[user]}", *(f"{name}={value}" for name, value in settings.items()))
        return (*self.entering(), "prlimit", f"--nofile={most}:{most}", *as_user, *environment)

    def _clock(self) -> dict[str, str]:
        if not self._clock_ahead_s:
            return {}
        return {
            "LD_PRELOAD": FAKED_TIME,
            "FAKETIME": f"{self._clock_ahead_s:+d}",
        }

    def _set_clock_of_logins(self) -> None:
        settings = " ".join(f"{name}={value}" for name, value in self._clock().items())
        file = self._rack.path(self._directory / "disk/upper/etc/ssh/sshd_config.d/clock.conf")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"SetEnv {settings}\n" if settings else "", encoding="utf-8")

    def _is_up(self) -> bool:
        assert self._launcher is not None
        assert not self._launcher.ended(), f"{self.name} has ended"
        if not Path(f"/proc/{self.pid}/root/run/up").exists():
            return False
        return all(self.listens(port) for port in self._part.ports)

    def _new_disk(self) -> None:
        disk = self._directory / "disk"
        self._rack.run("mount", "-t", "tmpfs", "-o", f"mode=755,size={DISK_SIZE}", "tmpfs", str(disk))
        self._rack.run("mkdir", str(disk / "upper"), str(disk / "work"))
        self._part.furnish(self._rack.path(disk / "upper"))
