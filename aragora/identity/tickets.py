"""One-time tickets: how a browser, which cannot send headers with a WebSocket, shows who it is."""

from __future__ import annotations

import hashlib
import secrets
from typing import Final

from aragora.encoding import decode_as, encode_text
from aragora.errors import Unauthenticated
from aragora.identity.principal import Principal
from aragora.storage.ephemeral import Ephemeral

TICKET_S: Final = 30.0
_MAX_CHARS: Final = 100


class Tickets:
    """Tickets in shared state, under their hash."""

    def __init__(self, shared: Ephemeral) -> None:
        self._shared = shared

    async def issue(self, principal: Principal) -> str:
        """A ticket for the principal, good once within `TICKET_S` seconds."""
        ticket = secrets.token_urlsafe(32)
        await self._shared.put(_key(ticket), encode_text(principal), TICKET_S)
        return ticket

    async def redeem(self, ticket: str) -> Principal:
        """Whom the ticket was for. Raises Unauthenticated where it is unknown, used or too old."""
        raw = await self._shared.take(_key(ticket)) if len(ticket) <= _MAX_CHARS else None
        if raw is None:
            raise Unauthenticated("The ticket is unknown, used or too old; get a new one.", code="invalid_ticket")
        return decode_as(raw, Principal)


def _key(ticket: str) -> str:
    return "ticket:" + hashlib.sha256(ticket.encode()).hexdigest()
