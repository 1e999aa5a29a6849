"""Which versions of Python and Ray a running cluster has, asked of its head before this node joins it.

Ray reads its settings when it is imported, and this node's are not prepared yet. So a child asks, with this process's
environment: run as a module, this file is that child.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from platform import python_version
from typing import Final

from actors.gcs_address import reach
from aragora.cluster.versions import Versions
from aragora.errors import Misconfigured, Unavailable

REACH_S: Final = 5.0
ASK_S: Final = 30.0
_REFUSED: Final = 3
"""The child's exit code where the head does not take the token."""


def versions_here() -> Versions:
    """Those of this process, without importing Ray."""
    return Versions(python_version(), version("ray"))


def versions_at(gcs_address: str, environment: Mapping[str, str]) -> Versions:
    """Those of the cluster whose GCS listens at `gcs_address` (host:port), asked with Ray's token of the environment.
    Blocks.

    Raises Unavailable where no head answers there, Misconfigured where it refuses the token.
    """
    _reach(gcs_address)
    try:
        child = subprocess.run(  # noqa: S603 - this very file
            [sys.executable, "-m", __name__, gcs_address],
            env={**environment, "RAY_AUTH_MODE": "token"},
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=ASK_S,
            check=False,
            text=True,
        )
    except subprocess.TimeoutExpired:
        raise _away(gcs_address, f"it gave no answer within {ASK_S:.0f} s") from None
    if child.returncode == _REFUSED:
        raise Misconfigured(
            f"the head at {gcs_address} refuses this node's Ray token: copy the .env of the head, or see what RAY_AUTH_TOKEN "
            "and RAY_AUTH_TOKEN_PATH say there"
        )
    if child.returncode != 0:
        raise _away(gcs_address, "what listens there did not answer as Ray's head does")
    found = json.loads(child.stdout.splitlines()[-1])
    return Versions(found["python_version"], found["ray_version"])


def _reach(gcs_address: str) -> None:
    try:
        reach(gcs_address, REACH_S)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no connection"
        raise _away(gcs_address, reason) from None


def _away(gcs_address: str, reason: str) -> Unavailable:
    return Unavailable(
        f"no head answers at {gcs_address} ({reason}): start the head first, and check the address and the firewall between"
    )


def _print_versions(gcs_address: str) -> int:
    import ray  # noqa: PLC0415 - the child alone imports it
    from ray._common.usage.usage_lib import get_cluster_metadata  # noqa: PLC0415
    from ray.exceptions import AuthenticationError  # noqa: PLC0415

    try:
        client = ray._raylet.GcsClient(address=gcs_address)  # noqa: SLF001 - no public way without joining
        found = get_cluster_metadata(client)
    except AuthenticationError:
        return _REFUSED
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(_print_versions(sys.argv[1]))
