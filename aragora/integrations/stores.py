"""What connects an organisation to outside services: integrations, connectors and mail accounts, their secrets
encrypted.

Each store is a collection (`aragora.storage.collection`) in the context `core`, under the names that its callers use.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from aragora.clock import Clock
from aragora.errors import InvalidInput, NotFound
from aragora.ids import LOCAL_ORG
from aragora.secrets.encryption import EncryptionService
from aragora.storage.collection import Collection, Schema, Scope, Survey
from aragora.storage.contexts import Context
from aragora.storage.documents import Documents, document_table

Refresh = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
"""Asks the outside service for new tokens: the settings in, the fields to change out."""


@dataclass(frozen=True, slots=True)
class Connector:
    """A connection to a data source. `config` holds settings and credentials (api_key, secret, password, token ...)."""

    connector_id: str
    org_id: str
    kind: str
    config: Mapping[str, Any] = field(repr=False)
    owner: str = ""


@dataclass(frozen=True, slots=True)
class GmailTokens:
    """The tokens of one user's account. `expires_at` is seconds since the epoch."""

    user_id: str
    org_id: str
    email: str
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_at: float = 0.0
    scopes: tuple[str, ...] = ()


INTEGRATIONS: Final = Schema(
    name="integration",
    table=document_table("integrations", Context.CORE),
    model=dict[str, Any],
    key_of=lambda it: (it["org_id"], it["type"], it["user_id"]),
    scope_of=lambda it: Scope(it["org_id"], owner=it["user_id"], kind=it["type"]),
)
CONNECTORS: Final = Schema(
    name="sync",
    table=document_table("sync_connectors", Context.CORE),
    model=Connector,
    key_of=lambda it: (it.org_id, it.connector_id),
    scope_of=lambda it: Scope(it.org_id, owner=it.owner, kind=it.kind),
)
GMAIL_TOKENS: Final = Schema(
    name="gmail_tokens",
    table=document_table("gmail_tokens", Context.CORE),
    model=GmailTokens,
    key_of=lambda it: (it.org_id, it.user_id),
    scope_of=lambda it: Scope(it.org_id, owner=it.user_id, kind="gmail"),
    columns={"org_id": "org_id", "user_id": "owner"},
)


class IntegrationStore:
    """The settings by which users connect outside services (Slack, Jira ...). Each is a dictionary with the texts
    `type` and `user_id`; its other fields are the service's."""

    def __init__(self, documents: Documents, crypto: EncryptionService, clock: Clock) -> None:
        self._integrations = Collection(INTEGRATIONS, documents, clock, crypto=crypto)

    async def save(self, config: Mapping[str, Any]) -> None:
        """Insert or replace. Raises InvalidInput without `type` or `user_id`; `org_id` may be left out."""
        org_id = config.get("org_id")
        named = {**config, "org_id": LOCAL_ORG if org_id is None else org_id}
        if not all(isinstance(named.get(name), str) for name in ("type", "user_id", "org_id")):
            raise InvalidInput("An integration needs the texts `type` and `user_id`.")
        await self._integrations.save(named)

    async def get(self, kind: str, user_id: str, org_id: str = LOCAL_ORG) -> dict[str, Any] | None:
        """The settings with readable secrets, or None."""
        return await self._integrations.get((org_id, kind, user_id))

    async def list(self, user_id: str | None = None, org_id: str = LOCAL_ORG) -> list[dict[str, Any]]:
        """The organisation's integrations, or one user's, with readable secrets. Those that cannot be read are left
        out."""
        return (await self.survey(user_id, org_id)).values

    async def survey(self, user_id: str | None = None, org_id: str = LOCAL_ORG) -> Survey[dict[str, Any]]:
        """As `list`, and beside it those that cannot be read: they can be saved anew, and deleted."""
        return await self._integrations.survey(org_id=org_id, owner=user_id)

    async def delete(self, kind: str, user_id: str, org_id: str = LOCAL_ORG) -> bool:
        """True if it was there."""
        return await self._integrations.delete((org_id, kind, user_id))

    async def refresh_token(self, kind: str, user_id: str, refresh: Refresh, org_id: str = LOCAL_ORG) -> dict[str, Any]:
        """Get new tokens from the outside service and keep them. Raises NotFound, and what `refresh` raises."""
        config = await self.get(kind, user_id, org_id)
        if config is not None:
            renewed = await refresh(config)
            own = {"type": kind, "user_id": user_id, "org_id": org_id}  # the service's answer may use these names too
            kept = await self._integrations.change(
                (org_id, kind, user_id), lambda current: {**current, **renewed, **own}
            )
            if kept is not None:
                return kept
        raise NotFound(f"There is no {kind} integration of this user.")

    async def count(self) -> int:
        """Integrations of all organisations."""
        return await self._integrations.count()


class SyncStore:
    """Connectors to outside data sources, by organisation and id."""

    def __init__(self, documents: Documents, crypto: EncryptionService, clock: Clock) -> None:
        self._connectors = Collection(CONNECTORS, documents, clock, crypto=crypto)

    async def save(self, connector: Connector) -> None:
        """Insert or replace."""
        await self._connectors.save(connector)

    async def get(self, org_id: str, connector_id: str) -> Connector:
        """Raises NotFound, also where the connector is another organisation's."""
        connector = await self._connectors.get((org_id, connector_id))
        if connector is None:
            raise NotFound("There is no such connector.")
        return connector

    async def list(self, org_id: str, kind: str | None = None) -> list[Connector]:
        """The organisation's connectors in order of their ids."""
        return await self._connectors.find(org_id=org_id, kind=kind)

    async def delete(self, org_id: str, connector_id: str) -> bool:
        """True if it was there."""
        return await self._connectors.delete((org_id, connector_id))


class GmailTokenStore:
    """OAuth access and refresh tokens of mail accounts, by organisation and user."""

    def __init__(self, documents: Documents, crypto: EncryptionService, clock: Clock) -> None:
        self._tokens = Collection(GMAIL_TOKENS, documents, clock, crypto=crypto)

    async def save(self, tokens: GmailTokens) -> None:
        """Insert or replace."""
        await self._tokens.save(tokens)

    async def get(self, org_id: str, user_id: str) -> GmailTokens | None:
        """The tokens, or None."""
        return await self._tokens.get((org_id, user_id))

    async def renew(self, org_id: str, user_id: str, access_token: str, expires_at: float) -> bool:
        """Replace the access token alone. False where there are no tokens to renew."""

        def renewed(tokens: GmailTokens) -> GmailTokens:
            return replace(tokens, access_token=access_token, expires_at=expires_at)

        return await self._tokens.change((org_id, user_id), renewed) is not None

    async def delete(self, org_id: str, user_id: str) -> bool:
        """True if there were any."""
        return await self._tokens.delete((org_id, user_id))
