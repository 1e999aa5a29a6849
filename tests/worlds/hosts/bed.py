"""The test bed: nodes n1, n2, n3, a laptop `lap` and a database host `db`, built and removed by one context manager.

    with standing_bed() as bed:
        bed.laptop.ssh("n1", "hostname").output()
        bed.cut(bed.n1, bed.n2)
        bed.n3.power_off()

Nothing of it exists outside the processes of the bed: see rack.py. The hosts have no way out.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from worlds.hosts import base_layer, database, laptop
from worlds.hosts.database import Database
from worlds.hosts.host import Host, Part
from worlds.hosts.keys import KeyPair, new_key_pair
from worlds.hosts.laptop import Laptop
from worlds.hosts.rack import BASE, TOOLS, Rack
from worlds.hosts.switch import Switch

NODES: Final = {"n1": "10.77.0.10", "n2": "10.77.0.11", "n3": "10.77.0.12"}
LAPTOP: Final = "10.77.0.2"
OTHER_CLIENTS: Final = (
    "10.77.0.3",
    "10.77.0.4",
    "10.77.0.6",
    "10.77.0.7",
)  # more addresses of the laptop: clients that differ
DATABASE: Final = "10.77.0.5"
SSH: Final = "mkdir -p /run/sshd && exec /usr/sbin/sshd -D -e"


class Bed:
    """Every host is on when the bed stands. `mend` makes it whole again after faults."""

    def __init__(self, rack: Rack) -> None:
        key, password = new_key_pair(), secrets.token_urlsafe(24)
        host_keys = {name: new_key_pair() for name in NODES}
        self._rack = rack
        addresses = {**NODES, "lap": LAPTOP, "db": DATABASE}
        public = {name: pair.public for name, pair in host_keys.items()}
        base_layer.fill(rack.path(BASE), addresses, key.public, public)
        rack.run("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={BASE}:/", str(TOOLS))
        self._switch = Switch(rack)
        self.n1, self.n2, self.n3 = self.nodes = tuple(
            Host(rack, self._switch, name, (address,), Part((SSH,), (22,), partial(_node, host_keys[name])))
            for name, address in NODES.items()
        )
        person = Part((), (), partial(laptop.furnish, private_key=key.private))
        self.laptop = Laptop(rack, self._switch, "lap", (LAPTOP, *OTHER_CLIENTS), person)
        ports = (database.POSTGRES_PORT, database.REDIS_PORT)
        stored = Part(database.SERVICES, ports, partial(database.furnish, password=password))
        self.db = Database(rack, self._switch, "db", (DATABASE,), stored)
        self.db.password = password
        self.hosts: dict[str, Host] = {host.name: host for host in (*self.nodes, self.laptop, self.db)}

    def power_on(self) -> None:
        """Start every host that is off, all at once."""
        started = [host for host in self.hosts.values() if not host.is_on]
        for host in started:
            host.begin_power_on()
        for host in started:
            host.wait_until_up()

    def pull_cable(self, host: Host) -> None:
        """Nothing reaches the host or leaves it, in either direction, until `push_cable`; its card sees no link."""
        self._switch.pull(host.name)

    def push_cable(self, host: Host) -> None:
        self._switch.push_back(host.name)

    def cut(self, one: Host, other: Host) -> None:
        """Nothing passes between these two any more, and nothing tells them; both reach all others.

        It stays when one of them is started again, until `join`.
        """
        self._switch.cut(one.name, other.name)

    def join(self, one: Host, other: Host) -> None:
        self._switch.join(one.name, other.name)

    def slow(self, host: Host, *, delay_s: float, loss: float = 0.0) -> None:
        """Each packet from the host, and each to it, takes `delay_s` longer (an answer to a request: twice that), and
        the fraction `loss` of them is lost, until `straighten` or the host's end."""
        self._switch.slow(host.name, delay_s, loss)

    def straighten(self, host: Host) -> None:
        self._switch.straighten(host.name)

    def mend(self) -> None:
        """End every fault of the network and start what is off. Disks and running programs stay as they are."""
        self._switch.mend()
        self.power_on()

    @property
    def rack_pid(self) -> int:
        """The first process of the bed; all others are below its namespace."""
        return self._rack.pid


@contextmanager
def standing_bed() -> Iterator[Bed]:
    """A bed with every host on; removed at the end of the block, and by the kernel if this process is killed.

    Raises OSError where namespaces are refused: `why_no_bed` tells that before.
    """
    rack = Rack()
    try:
        bed = Bed(rack)
        bed.power_on()
        yield bed
    finally:
        rack.close()


def _node(key: KeyPair, disk: Path) -> None:
    """An empty disk of a node: its host key. The key stays with the name, so ssh knows a replaced machine."""
    file = disk / "etc/ssh/ssh_host_ed25519_key"
    file.parent.mkdir(parents=True)
    file.write_text(key.private, encoding="utf-8")
    file.chmod(0o600)
