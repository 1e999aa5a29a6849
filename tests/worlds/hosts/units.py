"""The nodes as systemd's units run them, without `ray up`: a release on every node, `aragora node run`, and what the
unit's Restart= does. The bed has no systemd; a shell does what the units say (deploy/systemd)."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from worlds.hosts.bed import Bed
from worlds.hosts.host import Host
from worlds.hosts.installation import Installation, installed
from worlds.waiting import wait_until

LOG: Final = "/opt/aragora/unit.log"
COPIED: Final = "Makefile requirements.lock serve_app.py actors aragora deploy scripts"
SUPERVISED: Final = """\
stopped=
trap 'stopped=1; kill -TERM $main' TERM
while :; do
  /opt/aragora/bin/aragora node run {options} & main=$!
  wait $main; status=$?
  [ -n "$stopped" ] && {{ wait $main; status=$?; }}
  echo "unit: ended with $status"
  [ -n "$stopped" ] && exit 0
  case $status in 0 | 2 | 143) exit $status ;; esac
  sleep 5
done
"""
"""Restart=on-failure, for which the end by a SIGTERM (143) is none, RestartSec=5, RestartPreventExitStatus=2."""
BOOT_S: Final = 180.0
STOP_S: Final = 180.0


@dataclass
class Unit:
    """One node's unit. `pid` is that of the shell that stands for systemd."""

    at: Installation
    host: Host
    pid: int = 0

    def start(self) -> None:
        """Returns at once, as `systemctl start` of a unit of type exec."""
        head = self.at.bed.n1
        options = "--head" if self.host is head else f"--address {head.address}"
        self.pid = self.host.start(SUPERVISED.format(options=options), log=LOG)

    def stop(self) -> None:
        """As `systemctl stop`: returns when the node has ended."""
        self.host.run(f"kill -TERM {self.pid}").output()
        wait_until(lambda: not self.active, f"the unit of {self.host.name} has ended", STOP_S, pause_s=0.2)

    @property
    def active(self) -> bool:
        return self.host.run(f"kill -0 {self.pid}").status == 0

    @property
    def failures(self) -> int:
        """How often what it runs has ended with 1 since its start."""
        return self.log.count("unit: ended with 1\n")

    @property
    def log(self) -> str:
        return self.host.read(LOG)


def install(at: Installation) -> None:
    """The release of the laptop's checkout on every node, as an operator without `ray up` brings it there."""
    for node in at.bed.nodes:
        to = f"{node.name}:/opt/aragora/incoming/"
        at.typed(f"rsync -a --delete --exclude __pycache__ {COPIED} {shlex.quote(to)}").output()
        at.bed.laptop.ssh(
            node.name, "python3 /opt/aragora/incoming/scripts/install_release.py /opt/aragora", timeout_s=BOOT_S
        ).output()


def started(at: Installation) -> tuple[Unit, ...]:
    """All three, and every node takes requests. The head is the first: it makes the tables of an empty database."""
    head, *workers = units = tuple(Unit(at, node) for node in at.bed.nodes)
    head.start()
    at.await_ready(head.host)
    for unit in workers:
        unit.start()
    at.await_ready()
    return units


@dataclass
class Cluster:
    """`units` are those of n1 (the head), n2 and n3."""

    at: Installation
    units: tuple[Unit, ...]


@contextmanager
def running(bed: Bed, **settings: str) -> Iterator[Cluster]:
    """A fresh installation under units, every node of which takes requests. `settings` as for `installed`."""
    bed.mend()
    at = installed(bed, **settings)
    install(at)
    yield Cluster(at, started(at))
    for node in bed.nodes:
        node.kill_processes()
