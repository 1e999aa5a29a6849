"""A slow line between two network cards: every packet waits, and some are lost.

Arguments: the two cards, the delay in seconds in each direction, the fraction of packets lost. Ends when its input
does. The kernel's own way (netem) is a module that many machines lack. Standard library only.
"""

from __future__ import annotations

import os
import random
import select
import socket
import sys
import time
from collections import deque

EVERY_PROTOCOL = 3  # ETH_P_ALL
WHOLE_PACKET = 65536
AT_MOST = 20_000  # packets on their way in each direction: a real line's queue ends too


def main(one: str, other: str, delay: str, loss: str) -> None:
    delay_s, lost = float(delay), float(loss)
    near, far = _card(one), _card(other)
    ways = {near: far, far: near}
    under_way: dict[socket.socket, deque[tuple[float, bytes]]] = {near: deque(), far: deque()}
    os.write(1, b"ready")
    while True:
        due = [packets[0][0] for packets in under_way.values() if packets]
        wait_s = max(0.0, min(due) - time.monotonic()) if due else None
        readable, _, _ = select.select([*ways, sys.stdin], [], [], wait_s)
        if sys.stdin in readable:
            return
        now = time.monotonic()
        for card in [card for card in ways if card in readable]:
            packet, sender = card.recvfrom(WHOLE_PACKET)
            outgoing = sender[2] == socket.PACKET_OUTGOING
            if not outgoing and random.random() >= lost and len(under_way[card]) < AT_MOST:
                under_way[card].append((now + delay_s, packet))
        for card, packets in under_way.items():
            while packets and packets[0][0] <= now:
                _send(ways[card], packets.popleft()[1])


def _card(name: str) -> socket.socket:
    card = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(EVERY_PROTOCOL))
    card.bind((name, 0))
    return card


def _send(card: socket.socket, packet: bytes) -> None:
    try:
        card.send(packet)
    except OSError as unsent:  # the host is off or its cable pulled: the packet is lost, as on any line
        os.write(2, f"{unsent}\n".encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
