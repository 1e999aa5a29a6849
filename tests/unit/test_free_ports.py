"""Ports for what starts seconds later."""

from __future__ import annotations

import socket

from aragora.free_ports import FIRST, LAST, free_ports


def test_ports_differ_are_free_and_lie_below_those_the_system_hands_out() -> None:
    ports = free_ports(4)
    assert len(set(ports)) == 4
    for port in ports:
        assert FIRST <= port <= LAST < 32_768
        with socket.create_server(("127.0.0.1", port)):
            assert port not in free_ports(4)


def test_ports_that_somebody_will_listen_on_are_left_alone() -> None:
    all_but_three = range(FIRST, LAST - 2)
    assert free_ports(1, but=all_but_three)[0] in {LAST - 2, LAST - 1, LAST}
