"""Of two clusters on one database one serves: coordinators of both would take the debates from each other.

Which one does is a row of the database. `aragora cluster deploy` writes it, the end of the service deletes it, and
whoever finds another cluster there does not begin. A cluster is known by the address of its head, so that its own row
is no obstacle to it when its head has died, or all of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from actors.gcs_address import host_of, reach
from aragora.clock import SystemClock
from aragora.cluster.serving_store import ServingStore
from aragora.config.settings import Settings
from aragora.errors import Conflict
from aragora.migrations.history import standing
from aragora.storage.contexts import Context, store_of
from aragora.storage.database import Database

REACH_S: Final = 5.0
_SINCE: Final = "0006"  # the migration of `core` that made the table


async def serving_head(settings: Settings) -> str | None:
    """The GCS of the cluster that serves this database, `host:port`; None where none does, or none has told."""
    if not (await standing(settings)).has(Context.CORE, _SINCE):
        return None
    async with _store(settings) as store:
        return await store.head()


def refuse_beside_another(settings: Settings, own: str, dead: str | None) -> None:
    """Raises Conflict where a cluster serves this database that is not that of the GCS at `own`.

    Args:
        settings: of this node.
        own: the GCS of this cluster.
        dead: the address of the head that an operator says is off for good; None where nobody says so. It is refused
            where it answers.
    """
    head = asyncio.run(serving_head(settings))
    if head is not None and head != own:
        _refuse_unless_dead(settings, head, dead)


def claim(settings: Settings, own: str, dead: str | None) -> None:
    """Note that this cluster serves; of two that do so at once one does. Raises Conflict as `refuse_beside_another`."""
    asyncio.run(_claim(settings, own, dead))


def release(settings: Settings, own: str) -> None:
    """Note that this cluster serves no more. Nothing happens where another one does."""

    async def forgotten() -> None:
        if not (await standing(settings)).has(Context.CORE, _SINCE):
            return
        async with _store(settings) as store:
            await store.release(own)

    asyncio.run(forgotten())


async def _claim(settings: Settings, own: str, dead: str | None) -> None:
    async with _store(settings) as store:
        holder = await store.claim(own)
        if holder == own:
            return
        _refuse_unless_dead(settings, holder, dead)
        if not await store.replace(holder, own):
            raise Conflict(f"which cluster serves {store_of(settings)} has changed meanwhile: try again")


def _refuse_unless_dead(settings: Settings, head: str, dead: str | None) -> None:
    address = host_of(head)
    if dead != address:
        raise Conflict(
            f"the cluster of the head {address} serves {store_of(settings)}, and two would take the debates from each "
            "other: end its service first (there: aragora cluster undeploy); if it is off for good, add "
            f"--instead-of {address}"
        )
    if _answers(head):
        raise Conflict(
            f"the head {address} answers, so its cluster lives: end its service there: aragora cluster undeploy"
        )


def _answers(gcs_address: str) -> bool:
    try:
        reach(gcs_address, REACH_S)
    except OSError:
        return False
    return True


@asynccontextmanager
async def _store(settings: Settings) -> AsyncIterator[ServingStore]:
    database = Database.open(settings, Context.CORE)
    try:
        yield ServingStore(database, SystemClock())
    finally:
        await database.aclose()
