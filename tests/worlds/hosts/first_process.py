"""The first process of a host: name it, start its services, and reap what is left behind, until the power goes off.

Arguments: the host's name, then each service as one shell command. Standard library only.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from pathlib import Path


def main(name: str, *services: str) -> None:
    Path("/proc/sys/kernel/hostname").write_text(name, encoding="ascii")
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    running = [subprocess.Popen(["/bin/sh", "-c", service], start_new_session=True) for service in services]  # noqa: F841
    Path("/run/up").touch()
    while True:
        try:
            os.wait()
        except ChildProcessError:
            time.sleep(1)  # a host without services: its children come later


if __name__ == "__main__":
    main(*sys.argv[1:])
