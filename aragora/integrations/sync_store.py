"""SyncStore: connectors to outside data sources, with their credentials encrypted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from aragora.clock import Clock
from aragora.encoding import to_plain
from aragora.errors import NotFound
from aragora.secrets.encryption import EncryptionService
from aragora.storage.document import Documents
from aragora.storage.vault import Vault, record_id

SYNC_STORE: Final = "sync"


@dataclass(frozen=True, slots=True)
class Connector:
    """A connection to a source. `config` holds settings and credentials (api_key, secret, password, token ...)."""

    connector_id: str
    org_id: str
    kind: str
    config: Mapping[str, Any] = field(repr=False)
    owner: str = ""


class SyncStore:
    """Connectors by organisation and id."""

    def __init__(self, documents: Documents, crypto: EncryptionService, clock: Clock) -> None:
        self._vault = Vault(SYNC_STORE, documents, crypto, clock)

    async def save(self, connector: Connector) -> None:
        """Insert or replace."""
        key = record_id(connector.org_id, connector.connector_id)
        await self._vault.save(
            key, to_plain(connector), org_id=connector.org_id, owner=connector.owner, kind=connector.kind
        )

    async def get(self, org_id: str, connector_id: str) -> Connector:
        """Raises NotFound, also where the connector is another organisation's."""
        document = await self._vault.load(record_id(org_id, connector_id))
        if document is None:
            raise NotFound("There is no such connector.")
        return Connector(**document)

    async def list(self, org_id: str, kind: str | None = None) -> list[Connector]:
        """The organisation's connectors in order of their ids."""
        return [Connector(**document) for _, document in await self._vault.find(org_id=org_id, kind=kind)]

    async def delete(self, org_id: str, connector_id: str) -> bool:
        """True if it was there."""
        return await self._vault.delete(record_id(org_id, connector_id))
