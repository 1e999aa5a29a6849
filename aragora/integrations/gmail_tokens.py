"""GmailTokenStore: OAuth access and refresh tokens of mail accounts, encrypted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from aragora.clock import Clock
from aragora.secrets.encryption import EncryptionService
from aragora.storage.document import Documents
from aragora.storage.vault import Vault, record_id

GMAIL_TOKEN_STORE: Final = "gmail_tokens"  # noqa: S105  a store's name


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


class GmailTokenStore:
    """Tokens by organisation and user."""

    def __init__(self, documents: Documents, crypto: EncryptionService, clock: Clock) -> None:
        self._vault = Vault(GMAIL_TOKEN_STORE, documents, crypto, clock)

    async def save(self, tokens: GmailTokens) -> None:
        """Insert or replace."""
        document = {
            "email": tokens.email,
            "access_token": tokens.access_token,
            "refresh_token": tokens.refresh_token,
            "expires_at": tokens.expires_at,
            "scopes": list(tokens.scopes),
        }
        key = record_id(tokens.org_id, tokens.user_id)
        await self._vault.save(key, document, org_id=tokens.org_id, owner=tokens.user_id, kind="gmail")

    async def get(self, org_id: str, user_id: str) -> GmailTokens | None:
        document = await self._vault.load(record_id(org_id, user_id))
        if document is None:
            return None
        return GmailTokens(
            user_id=user_id,
            org_id=org_id,
            email=document["email"],
            access_token=document["access_token"],
            refresh_token=document["refresh_token"],
            expires_at=float(document["expires_at"]),
            scopes=tuple(document["scopes"]),
        )

    async def renew(self, org_id: str, user_id: str, access_token: str, expires_at: float) -> bool:
        """Replace the access token alone. False where there are no tokens to renew."""
        changes = {"access_token": access_token, "expires_at": expires_at}
        return await self._vault.merge(record_id(org_id, user_id), changes) is not None

    async def delete(self, org_id: str, user_id: str) -> bool:
        """True if there were any."""
        return await self._vault.delete(record_id(org_id, user_id))
