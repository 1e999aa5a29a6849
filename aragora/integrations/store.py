"""IntegrationStore: the settings by which users connect outside services (Slack, Jira ...), secrets encrypted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from aragora.clock import Clock
from aragora.errors import InvalidInput, NotFound
from aragora.secrets.encryption import EncryptionService
from aragora.storage.document import Documents
from aragora.storage.vault import Vault, record_id

INTEGRATION_STORE: Final = "integration"
DEFAULT_ORG: Final = "local"

Refresh = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
"""Asks the outside service for new tokens: the settings in, the fields to change out."""


class IntegrationStore:
    """Settings by organisation, type of integration and user. Each is a dictionary with `type` and `user_id`."""

    def __init__(self, documents: Documents, crypto: EncryptionService, clock: Clock) -> None:
        self._vault = Vault(INTEGRATION_STORE, documents, crypto, clock)

    async def save(self, config: Mapping[str, Any]) -> None:
        """Insert or replace. Raises InvalidInput without `type` or `user_id`; `org_id` may be left out."""
        kind, user_id, org_id = (config.get(name) for name in ("type", "user_id", "org_id"))
        org_id = DEFAULT_ORG if org_id is None else org_id
        if not (isinstance(kind, str) and isinstance(user_id, str) and isinstance(org_id, str)):
            raise InvalidInput("An integration needs the texts `type` and `user_id`.")
        key = record_id(org_id, kind, user_id)
        await self._vault.save(key, {**config, "org_id": org_id}, org_id=org_id, owner=user_id, kind=kind)

    async def get(self, kind: str, user_id: str, org_id: str = DEFAULT_ORG) -> dict[str, Any] | None:
        """The settings with readable secrets, or None."""
        return await self._vault.load(record_id(org_id, kind, user_id))

    async def list(self, user_id: str | None = None, org_id: str = DEFAULT_ORG) -> list[dict[str, Any]]:
        """The organisation's integrations, or one user's, with readable secrets."""
        return [document for _, document in await self._vault.find(org_id=org_id, owner=user_id)]

    async def delete(self, kind: str, user_id: str, org_id: str = DEFAULT_ORG) -> bool:
        """True if it was there."""
        return await self._vault.delete(record_id(org_id, kind, user_id))

    async def refresh_token(
        self, kind: str, user_id: str, refresh: Refresh, org_id: str = DEFAULT_ORG
    ) -> dict[str, Any]:
        """Get new tokens from the outside service and keep them. Raises NotFound, and whatever `refresh` raises."""
        key = record_id(org_id, kind, user_id)
        config = await self._vault.load(key)
        renewed = None if config is None else await self._vault.merge(key, await refresh(config))
        if renewed is None:
            raise NotFound(f"There is no {kind} integration of this user.")
        return renewed

    async def count(self) -> int:
        """Integrations of all organisations."""
        return await self._vault.count()
