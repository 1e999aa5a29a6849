"""The release of this program that a cluster's service runs, by name, on every node.

A node's Ray starts processes of the release from which it was started itself. The service says instead which release
its processes run, and can be another one without a node being restarted: `aragora cluster deploy` has it installed on
every node first. A process hands its own release on to those that it begins. On a node that does not have that release
(it was away meanwhile) a process runs the one that is current there, as it would without a word.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any, Final

from actors.ray_node import GCS_AT

RELEASES: Final = "releases"
PYTHON: Final = ".venv/bin/python"
_CHOOSE: Final = 'p="$1"; [ -x "$p" ] || p="$2"; shift 2; exec "$p" "$@"'


def running_release() -> Path | None:
    """The directory of the release that this process runs; None in a checkout, or in any other place."""
    directory = Path(__file__).resolve().parents[1]
    return directory if directory.parent.name == RELEASES and (directory / PYTHON).exists() else None


def runtime_env() -> dict[str, Any]:
    """What tells Ray that a process is to run this process's release; empty outside a cluster, where there is no
    other."""
    release = running_release()
    if release is None or GCS_AT not in os.environ:
        return {}
    current = release.parent.with_name("current")
    # Ray has a shell run this with the arguments of the process behind it.
    chosen = shlex.join(["/bin/sh", "-c", _CHOOSE, "python", str(release / PYTHON), str(current / PYTHON)])
    return {"runtime_env": {"py_executable": chosen}}
