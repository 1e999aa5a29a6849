"""`make bed`: a bed to walk about in, until Ctrl-C."""

from __future__ import annotations

import signal
import sys
import time
from contextlib import suppress

from worlds.hosts.bed import Bed, standing_bed
from worlds.hosts.host import Host
from worlds.hosts.possible import why_no_bed


def main() -> int:
    reason = why_no_bed()
    if reason:
        sys.stderr.write(f"error: no test bed: {reason}\n")
        return 1
    began = time.monotonic()
    with suppress(KeyboardInterrupt), standing_bed() as bed:
        logins = "".join(f"  {host.name:4} {host.address:11} {_login(host)}\n" for host in bed.hosts.values())
        sys.stdout.write(f"The bed stands after {time.monotonic() - began:.1f} s. From another terminal, as root:\n\n")
        sys.stdout.write(logins + _hints(bed))
        sys.stdout.flush()
        signal.pause()
    sys.stdout.write("\nThe bed is removed.\n")
    return 0


def _login(host: Host) -> str:
    return " ".join((*host.entering(), "su - aragora"))


def _hints(bed: Bed) -> str:
    return f"""
On the laptop: `ssh n1`, `ray up cluster.yaml`. As root on a host: bash instead of su.
PostgreSQL: {bed.db.url()}
Redis:      {bed.db.redis_url}
Power off:  kill -9 the process id after --target. Ctrl-C here removes everything.
"""


if __name__ == "__main__":
    sys.exit(main())
