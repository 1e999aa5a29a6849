"""OAuthStateStore: what must be remembered between sending a person to Google and their return. Used once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from aragora.encoding import decode_as, encode_text
from aragora.storage.ephemeral import Ephemeral

STATE_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class OAuthState:
    """`browser` is the digest of the cookie that the same browser must show; `redirect` where to go in the end."""

    verifier: str = field(repr=False)
    nonce: str = field(repr=False)
    browser: str
    redirect: str | None = None


class OAuthStateStore:
    """States in shared memory, Redis or the database, by the random `state` in the address."""

    def __init__(self, shared: Ephemeral) -> None:
        self._shared = shared

    async def save(self, state: str, remembered: OAuthState) -> None:
        await self._shared.put(f"oauth:{state}", encode_text(remembered), STATE_S)

    async def take(self, state: str) -> OAuthState | None:
        """What was remembered; the second time, and after ten minutes, None."""
        raw = await self._shared.take(f"oauth:{state}")
        return None if raw is None else decode_as(raw, OAuthState)
