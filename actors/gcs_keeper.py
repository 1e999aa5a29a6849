"""Keeps the GCS of a head running whose state is in Redis: where its process died, it is started again as it was.

The new process has the old one's command and environment, so it listens at the same address and reads the same state;
raylets, actors and Serve wait for it and go on. Starting the head's Ray anew instead would end everything that runs on
the head.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

from actors.gcs_storage import kept_in_redis
from actors.ray_node import gcs_of, lives


@dataclass(slots=True)
class GcsKeeper:
    """`command`, `environment` and `directory` are those of the process that `ray start` began."""

    command: Sequence[str]
    environment: Mapping[str, str]
    directory: str
    process: psutil.Process

    @classmethod
    def of(cls, data_dir: Path) -> Self | None:
        """For the head that runs on this data directory; None where no GCS runs, or its state would die with it."""
        process = gcs_of(data_dir)
        if process is None or not kept_in_redis(process.environ()):
            return None
        return cls(tuple(process.cmdline()), process.environ(), process.cwd(), process)

    def keep(self) -> bool:
        """Start the GCS again if it has died; returns whether it had."""
        if lives(self.process):
            return False
        self.process = psutil.Popen(
            self.command, env=dict(self.environment), cwd=self.directory, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        return True
