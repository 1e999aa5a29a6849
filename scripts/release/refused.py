"""Why an installation ends early, and how its messages name the host."""

from __future__ import annotations

import os
import platform


class Refused(Exception):
    """Raised when a release cannot be installed. The text says what is wrong and what to do, in one line."""


def named(text: str) -> str:
    """The line to print: `ray up` shows those of several hosts, so each one says whose it is."""
    connection = os.environ.get("SSH_CONNECTION", "").split()  # client, its port, this host's address, its port
    address = f" ({connection[2]})" if len(connection) == 4 else ""
    return f"aragora: {platform.node()}{address}: {text}"
