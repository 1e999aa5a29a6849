"""Ports for what starts seconds later: free now, and below those that systems hand out by themselves.

A port that was asked of the system (bind to port 0) and given back may be handed to any other process at once, and
one of Ray's many takes it before HAProxy listens. Linux hands out 32768 and up, and Ray gives its workers 10002 to
19999; these lie between.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Container
from typing import Final

from aragora.errors import Unavailable

FIRST: Final = 20_000
LAST: Final = 21_999


def free_ports(count: int, host: str = "127.0.0.1", *, but: Container[int] = ()) -> list[int]:
    """`count` different ports that nobody listens on at `host` now, and none of `but`: those that somebody will. Raises
    Unavailable where hardly any is free."""
    found: list[int] = []
    for port in random.sample(range(FIRST, LAST + 1), LAST + 1 - FIRST):
        if port not in but and _is_free(host, port):
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
