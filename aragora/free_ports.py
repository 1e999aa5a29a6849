"""Ports for what starts seconds later: free now, and below those that systems hand out by themselves.

A port that was asked of the system (bind to port 0) and given back may be handed to any other process at once, and
one of Ray's many takes it before HAProxy listens. Linux hands out 32768 and up; these lie below.
"""

from __future__ import annotations

import random
import socket
from typing import Final

from aragora.errors import Unavailable

FIRST: Final = 9_200
LAST: Final = 9_999
_TRIES: Final = 500


def free_ports(count: int, host: str = "127.0.0.1") -> list[int]:
    """`count` different ports that nobody listens on at `host` now. Raises Unavailable where hardly any is free."""
    found: list[int] = []
    for _ in range(_TRIES):
        port = random.randint(FIRST, LAST)
        if port not in found and _is_free(host, port):
            found.append(port)
        if len(found) == count:
            return found
    raise Unavailable(f"no {count} ports between {FIRST} and {LAST} are free: end what listens on them")


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
