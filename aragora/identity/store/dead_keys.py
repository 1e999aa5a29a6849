"""The daily job that deletes API keys which were revoked, or whose time was over, long ago."""

from __future__ import annotations

from typing import Final

from aragora.background import Job
from aragora.clock import Clock
from aragora.identity.store.tables import api_keys
from aragora.storage.database import Database
from aragora.storage.forgetting import forget

KEPT_S: Final = 30 * 86_400.0
"""How long a dead key's row stays, for questions about who used what; the audit log knows of it for ever."""
EVERY_S: Final = 86_400.0


def forgetting_keys(database: Database, clock: Clock) -> Job:
    """Over the context `users`."""

    async def run() -> str:
        before = clock.now() - KEPT_S
        over = (api_keys.c.revoked_at < before) | (api_keys.c.expires_at < before)
        return f"forgot {await forget(database, api_keys.c.key_id, over)} dead API keys"

    return Job("forget dead API keys", EVERY_S, run)
