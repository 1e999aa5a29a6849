"""What the launcher's autoscaler must find on the head, so that `ray up` brings up every worker.

With the provider `local` Ray 2.60's autoscaler (v2) counts the head among the workers, both being of its one node type,
in two places that do not agree:

- it starts no worker before it has seen the head run, and takes the head for lost where its state file does not name
  it. `ray up` notes the head on the machine where it is typed; on the head nobody does, since v1 alone did so;
- once it has seen the head, it counts it towards `min_workers`: of two workers one comes.

So the head is noted, and the smallest number of nodes is raised by one for it. The autoscaler reads both files again
every few seconds: a changed list of workers counts as soon as this was called, without a restart.

A worker that is lost it ends and starts in one step. With `local` that is the same machine, which it then takes for one
that does not want to end, for five minutes, and waits ten minutes for the one that it has started. Here both take
effect at once, so `LIMITS` are short.
"""

from __future__ import annotations

import errno
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from aragora.errors import Unavailable

LOCAL_NODE_TYPE: Final = "local.cluster.node"
"""Ray's name for every node of a provider `local`."""
LIMITS: Final = {
    "RAY_AUTOSCALER_RECONCILE_TERMINATING_STATUS_TIMEOUT_S": "10",
    "RAY_AUTOSCALER_RECONCILE_REQUEST_STATUS_TIMEOUT_S": "20",
}
"""Environment variables of the autoscaler: how many seconds it waits for a machine to be gone, and to be there."""
LIMIT_S: Final = 60.0


def record_head(bootstrap_config_file: Path) -> None:
    """Note the head in the state of the launcher's autoscaler, and let its configuration count the head.

    Call it on every start of a head that `ray up` asks for, also where Ray runs already: `ray up` has written the file
    anew, with other workers perhaps. Twice is as good as once. Nothing happens for another provider than `local`.
    A process of its own does it: Ray reads the environment when it is imported, which here would be too early. The
    autoscaler, which this process is about to start, gets `LIMITS` from here.

    Raises Unavailable where the file is not what `ray up` writes.
    """
    for name, value in LIMITS.items():
        os.environ.setdefault(name, value)
    command = [sys.executable, "-m", "actors.launcher_state", str(bootstrap_config_file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)  # noqa: S603 - this file
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        if os.strerror(errno.ENOSPC) in reason:
            raise Unavailable(
                f"{platform.node()}: the disk of {bootstrap_config_file} is full: make room, then try again"
            )
        raise Unavailable(
            f"{bootstrap_config_file} cannot be used ({reason[:200]}): type `ray up` again, which writes it"
        )


def settings_of_launched_node(address: str) -> Mapping[str, str]:
    """The variables with which Ray starts on a node of a launcher's cluster. What is set in the environment stays.

    Most are those that `ray up` sets, for a node that was started without it (systemd, by hand): so the autoscaler
    knows whose Ray it is, and does not wait for another one there. `LIMITS` are the head's.
    """
    wanted = {
        **LIMITS,
        "RAY_enable_autoscaler_v2": "1",
        "RAY_CLOUD_INSTANCE_ID": address,  # the provider `local` calls a node by its address
        "RAY_NODE_TYPE_NAME": LOCAL_NODE_TYPE,
    }
    return {name: os.environ.get(name, value) for name, value in wanted.items()}


def counting_the_head(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of the autoscaler whose smallest number of nodes counts the head. Done once: in such a
    configuration the whole cluster may have one node more than the type has workers."""
    node_type = config["available_node_types"][LOCAL_NODE_TYPE]
    if config["max_workers"] > node_type["max_workers"]:
        return dict(config)
    return {
        **config,
        "max_workers": config["max_workers"] + 1,  # Ray refuses a smallest number above it
        "available_node_types": {LOCAL_NODE_TYPE: {**node_type, "min_workers": node_type["min_workers"] + 1}},
    }


def main(bootstrap_config_file: Path) -> None:
    from ray.autoscaler._private.local.node_provider import (  # noqa: PLC0415 - see record_head
        LocalNodeProvider,
        record_local_head_state_if_needed,
    )

    config = json.loads(bootstrap_config_file.read_text(encoding="utf-8"))
    if config["provider"]["type"] != "local":
        return
    record_local_head_state_if_needed(LocalNodeProvider(config["provider"], config["cluster_name"]))
    fresh = bootstrap_config_file.with_name(f".{bootstrap_config_file.name}.{os.getpid()}")
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(counting_the_head(config)), encoding="utf-8")
    fresh.replace(bootstrap_config_file)  # the autoscaler may be reading it


if __name__ == "__main__":
    main(Path(sys.argv[1]))
