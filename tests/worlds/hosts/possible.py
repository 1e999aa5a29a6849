"""Whether this machine can carry a bed, found out by trying."""

from __future__ import annotations

import os
import sys

from worlds.hosts.rack import BASE, TOOLS, Rack
from worlds.hosts.tree import DEBIAN


def why_no_bed() -> str | None:
    """None where a bed can be built; otherwise what is missing and what to do, in one line."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "it takes Linux and root, who alone may make hosts of namespaces"
    missing = [name for name in ("usr/sbin/sshd", "usr/bin/ssh", "usr/bin/rsync") if not (DEBIAN / name).exists()]
    if missing:
        return f"{DEBIAN} has no {', '.join(missing)}: `make install-dev` unpacks them on a Debian with a network"
    try:
        rack = Rack()
    except (OSError, AssertionError) as refused:
        return f"namespaces are refused here ({_last_line(refused)}); in a container: run it with all capabilities"
    try:
        rack.run("mount", "-t", "overlay", "overlay", "-o", f"metacopy=on,lowerdir={BASE}:/", str(TOOLS))
    except AssertionError as refused:
        return f"the kernel mounts no overlay here ({_last_line(refused)})"
    finally:
        rack.close()
    return None


def _last_line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1].strip()
