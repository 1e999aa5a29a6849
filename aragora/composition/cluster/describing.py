"""`aragora cluster describe`: what a cluster is, so that two of them can be compared before one takes over from the
other (scripts/change_cluster.py)."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aragora
from actors.release import running_release
from aragora.clock import SystemClock
from aragora.cluster.store import InstallationStore
from aragora.composition.cluster.connection import connected
from aragora.composition.cluster.deploying import serving_ports
from aragora.composition.cluster.joining import compare
from aragora.composition.cluster.serving_alone import serving_head
from aragora.composition.cluster.versions import versions_here
from aragora.config.settings import Settings
from aragora.migrations.history import standing
from aragora.storage.contexts import Context
from aragora.storage.database import Database

SHOWN: Final = 16


@dataclass(frozen=True, slots=True)
class Description:
    """A cluster beside its database. `head` is its GCS, `serves` that of the cluster that serves the database; `nodes`
    are the addresses of those that take work; `installation` is the same for all clusters of one database, and for no
    others; `problems` are what keeps this node out of its installation."""

    head: str
    nodes: tuple[str, ...]
    http_port: int
    release: str
    ray: str
    python: str
    installation: str | None
    pending: int
    generation_begins: bool
    serves: str | None
    problems: tuple[str, ...]


def describe(settings: Settings) -> Description:
    """Of the cluster whose node runs here. Nothing changes, and nothing of the service begins. Blocks. Raises
    Unavailable, Misconfigured."""
    with connected(settings) as here:
        from actors.cluster_nodes import nodes  # noqa: PLC0415 - imports Ray, whose environment is set now

        schema = asyncio.run(standing(settings))
        compared = asyncio.run(compare(settings))
        versions = versions_here()
        release = running_release() or Path(aragora.__file__).parents[1]
        return Description(
            head=here.gcs_address,
            nodes=tuple(node.address for node in nodes() if node.takes_work),
            http_port=serving_ports()[0],
            release=release.name,
            ray=versions.ray,
            python=versions.python,
            installation=None if compared is None else asyncio.run(_installation(settings)),
            pending=len(schema.pending),
            generation_begins=schema.generation_begins,
            serves=asyncio.run(serving_head(settings)),
            problems=() if compared is None else compared.refused,
        )


async def _installation(settings: Settings) -> str | None:
    """A digest of the challenge that the installation's founder drew."""
    database = Database.open(settings, Context.CORE)
    try:
        stored = await InstallationStore(database, SystemClock()).read()
    finally:
        await database.aclose()
    return None if stored is None else hashlib.sha256(stored.challenge).hexdigest()[:SHOWN]
