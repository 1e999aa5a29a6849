"""A rule of placement for tests with several nodes: on those that have the resource `worker`, never on the head."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aragora.config.settings import Settings

WORKER: Final = "worker"
PLACED: Final = f"{__name__}:on_workers"
"""For `actors.kinds.Kind.placed`."""


def on_workers(_: Settings) -> Mapping[str, Any]:
    return {"resources": {WORKER: 0.001}}
