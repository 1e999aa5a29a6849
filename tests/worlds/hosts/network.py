"""Stand in a host's network with this thread: sockets made meanwhile belong there, whatever library makes them."""

from __future__ import annotations

import array
import ctypes
import fcntl
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

CLONE_NEWNET: Final = 0x40000000
SIOCETHTOOL: Final = 0x8946
OFFLOADS: Final = (0x17, 0x1F, 0x24)  # ethtool's numbers: checksums (tx), TCP segments, segments of any protocol
_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def network_of(pid: int) -> Iterator[None]:
    """Within the block this thread, and threads it starts, are in the network of the process `pid`."""
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        there = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter(there)
            try:
                yield
            finally:
                _enter(here)
        finally:
            os.close(there)
    finally:
        os.close(here)


def merge_packets(card: str, number: int) -> None:
    """Let a network card (of this thread's network) hand on big packets without checksums (1), or true ones only (0).

    Between namespaces the kernel spares itself segments and checksums; a program that carries packets needs both.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for offload in OFFLOADS:
            wish = array.array("I", [offload, number])
            fcntl.ioctl(asking, SIOCETHTOOL, struct.pack("16sP", card.encode(), wish.buffer_info()[0]))


def _enter(namespace: int) -> None:
    if _libc.setns(namespace, CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"cannot enter the network: {os.strerror(number)}")
