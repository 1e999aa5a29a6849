"""Which machines `ray up` was told of, read on the head from the file that it leaves there for its autoscaler."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from actors.launcher_state import LOCAL_NODE_TYPE
from aragora.errors import Unavailable

CONFIG: Final = Path("~/ray_bootstrap_config.yaml")
"""Where `ray up` puts it. It is JSON, which is YAML too."""


@dataclass(frozen=True, slots=True)
class Machines:
    """Addresses as the operator wrote them. `wanted` is with how many of the workers the cluster is complete."""

    head: str
    workers: tuple[str, ...]
    wanted: int


def machines(file: Path) -> Machines | None:
    """None where no launcher has left a file, or its machines are not the operator's own (provider `local`).

    Raises Unavailable where the file cannot be read as one of `ray up`.
    """
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
        provider = config["provider"]
        if provider["type"] != "local":
            return None
        workers = tuple(str(address) for address in provider["worker_ips"])
        most = config["available_node_types"][LOCAL_NODE_TYPE]["max_workers"]
        return Machines(str(provider["head_ip"]), workers, min(len(workers), int(most)))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Unavailable(f"{file} cannot be used ({error}): type `ray up` again, which writes it") from None
