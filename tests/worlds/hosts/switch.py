"""The switch that joins the hosts, and what goes wrong with networks: a cable pulled, two hosts that no longer reach
each other, a line that is slow and loses packets.

The switch is a bridge in the rack's network. A host's network card has the same hardware address at every start, so its
neighbours find it at once.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from worlds.hosts.network import merge_packets, network_of
from worlds.hosts.rack import Launcher, Rack, numbers
from worlds.waiting import wait_until

BRIDGE: Final = "br0"
NOWHERE: Final = "02:00:00:00:00:00"  # no card has it
SLOW_LINE: Final = Path(__file__).with_name("slow_line.py")


class Switch:
    """Every host that is on is plugged in, by a port of its name."""

    def __init__(self, rack: Rack) -> None:
        self._rack = rack
        self._plugged: dict[str, tuple[str, int]] = {}  # address and first process, by name
        self._cuts: set[frozenset[str]] = set()
        self._slow: dict[str, Launcher] = {}
        self._ip(f"link add {BRIDGE} type bridge", f"link set {BRIDGE} up")

    def plug(self, name: str, addresses: Sequence[str], pid: int) -> None:
        """Give the network of the process `pid` a card with these addresses."""
        address = addresses[0]
        inside = numbers(pid)[-2]  # its id as the rack counts
        card = "02:00:" + ":".join(f"{int(part):02x}" for part in address.split("."))
        self._ip(
            f"link add {_port(name)} type veth peer name eth0 address {card} netns {inside}",
            f"link set {_port(name)} master {BRIDGE} up",
        )
        self._ip_of(pid, "link set lo up", *(f"addr add {one}/24 dev eth0" for one in addresses), "link set eth0 up")
        self._plugged[name] = (address, pid)
        for pair in self._cuts:
            if name in pair:
                self._separate(pair)

    def unplug(self, name: str) -> None:
        """Take a host from the switch for good; its next start plugs in a new card."""
        self.straighten(name)
        self._ip(f"link del {_port(name)}")
        del self._plugged[name]

    def pull(self, name: str) -> None:
        """Pull the host's cable: its card loses the link, nothing passes in either direction."""
        self._ip(f"link set {_port(name)} down")

    def push_back(self, name: str) -> None:
        self._ip(f"link set {_port(name)} up")

    def cut(self, one: str, other: str) -> None:
        """Drop silently what these two send each other; both reach all others. It stays over a restart of either."""
        pair = frozenset((one, other))
        self._cuts.add(pair)
        self._separate(pair)

    def join(self, one: str, other: str) -> None:
        """The end of `cut`."""
        pair = frozenset((one, other))
        self._cuts.discard(pair)
        if pair <= self._plugged.keys():
            for host, far in itertools.permutations(pair):
                self._ip_of(self._plugged[host][1], f"neigh del {self._plugged[far][0]} dev eth0")

    def slow(self, name: str, delay_s: float, loss: float) -> None:
        """Delay each packet from this host, and each to it, and lose the fraction `loss` of them."""
        self.straighten(name)
        near, far = f"s-{name}", f"t-{name}"
        self._ip(
            f"link set {_port(name)} nomaster",
            f"link add {near} type veth peer name {far}",
            f"link set {far} master {BRIDGE} up",
            f"link set {near} up",
        )
        with network_of(self._plugged[name][1]):
            merge_packets("eth0", 0)
        with network_of(self._rack.pid):
            merge_packets(far, 0)
        script = SLOW_LINE.read_text(encoding="utf-8")
        argv = (sys.executable, "-I", "-S", "-c", script, _port(name), near, str(delay_s), str(loss))
        line = self._slow[name] = Launcher([*self._rack.entering, *argv])
        wait_until(lambda: line.said() or line.ended(), "the slow line is there")
        assert line.said() == "ready", line.said()

    def straighten(self, name: str) -> None:
        """The end of `slow`, where it was."""
        line = self._slow.pop(name, None)
        if line is not None:
            line.close()
            self._ip(f"link del s-{name}", f"link set {_port(name)} master {BRIDGE}")
            with network_of(self._plugged[name][1]):
                merge_packets("eth0", 1)

    def mend(self) -> None:
        """Undo every fault."""
        for one, other in [tuple(pair) for pair in self._cuts]:
            self.join(one, other)
        for name in list(self._slow):
            self.straighten(name)
        for name in self._plugged:
            self.push_back(name)

    def _separate(self, pair: frozenset[str]) -> None:
        if pair <= self._plugged.keys():
            for host, far in itertools.permutations(pair):
                neighbour = self._plugged[far][0]
                self._ip_of(
                    self._plugged[host][1], f"neigh replace {neighbour} lladdr {NOWHERE} dev eth0 nud permanent"
                )

    def _ip(self, *commands: str) -> None:
        self._rack.tool("ip", "-batch", "-", given="".join(f"{command}\n" for command in commands))

    def _ip_of(self, pid: int, *commands: str) -> None:
        self._rack.tool("ip", "-batch", "-", network=pid, given="".join(f"{command}\n" for command in commands))


def _port(name: str) -> str:
    return f"p-{name}"
