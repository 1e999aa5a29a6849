"""Only the cluster that serves a database takes its debates and jobs: asked where they would be taken.

The ingress of a cluster that stands by may ask for a coordinator, and so may a command on a cluster that has ended its
service. That must not begin the debates of the cluster that serves once more.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import Final

from actors.ray_node import GCS_AT
from aragora.clock import SystemClock
from aragora.cluster.serving_store import ServingStore
from aragora.errors import Unavailable
from aragora.scheduling import JobState
from aragora.storage.database import Database
from aragora.storage.jobs import JobStore

AGAIN_S: Final = 2.0


class NotServed(Unavailable):
    """Raised when this process's cluster does not serve the database; the caller tries again, when it may."""


async def refuse_unless_served_here(database: Database) -> None:
    """Raises NotServed where this process is of a cluster that does not serve the database, Unavailable where that does
    not tell. Outside a cluster there is no other."""
    own = os.environ.get(GCS_AT)
    if own is None:
        return
    head = await ServingStore(database, SystemClock()).head()
    if head != own:
        raise NotServed(
            f"the cluster of {own} does not serve here, {head or 'none'} does: try again in a moment",
            retry_after_s=AGAIN_S,
        )


class ServedJobs(JobStore):
    """The table of jobs, for a scheduler of the cluster that serves."""

    async def take(self, names: Collection[str], now: float) -> tuple[int, list[JobState]]:
        await refuse_unless_served_here(self._database)
        return await super().take(names, now)
