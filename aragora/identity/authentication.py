"""From what a request carries to the principal it acts for: the stores behind the rules of `proofs`.

Also one-time tickets: how a browser, which cannot send headers with a WebSocket, shows who it is.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Mapping
from typing import Final

from aragora.encoding import decode_as, encode_text
from aragora.errors import NotFound, RateLimited, Unauthenticated
from aragora.identity import api_keys
from aragora.identity.client_address import rate_limit_scope
from aragora.identity.parts import IdentityParts
from aragora.identity.principal import Method, Principal
from aragora.identity.proofs import IdentityRules, Proof, bearer_of, principal_without_session, proof_of
from aragora.identity.rate_limits import BAD_CREDENTIALS_PER_ADDRESS
from aragora.identity.tokens import Purpose
from aragora.storage.ephemeral import Ephemeral

TICKET_S: Final = 30.0
_MAX_TICKET_CHARS: Final = 100


class Authentication:
    """Finds the principal behind a request, and says later whether it still holds."""

    def __init__(self, parts: IdentityParts, rules: IdentityRules, tickets: Tickets) -> None:
        self._parts = parts
        self._rules = rules
        self._tickets = tickets

    async def principal(
        self, headers: Mapping[str, str], *, address: str, ticket: str | None = None, token: str | None = None
    ) -> Principal | None:
        """The caller, or None for an unknown one. Names of headers are in lower case.

        Raises Unauthenticated where a proof does not hold, RateLimited where too many did not, Unavailable where
        the stores do not answer.
        """
        scope = rate_limit_scope(address)
        try:
            return await self._proven(headers, address, ticket, token)
        except Unauthenticated as refused:
            self._parts.failed()
            verdict = await self._parts.limits.hit(BAD_CREDENTIALS_PER_ADDRESS, scope)
            if not verdict.allowed:
                raise RateLimited(
                    "Too many credentials that do not hold; wait.", retry_after_s=max(1.0, verdict.reset_s)
                ) from refused
            raise

    async def still_valid(self, principal: Principal) -> bool:
        """Whether a principal that was proven earlier still is."""
        return not await self.ended((principal,))

    async def ended(self, principals: Collection[Principal]) -> frozenset[Principal]:
        """Which of those that were proven earlier no longer are, because their login, key or account has ended: for
        connections that stay open. A few queries, however many there are. Raises Unavailable."""
        now, parts = self._parts.clock.now(), self._parts
        sessions = await parts.sessions.live_among({one.session_id for one in principals if one.session_id}, now)
        keys = await parts.keys.live_among({one.key_id for one in principals if one.key_id}, now)
        people = {who for one in principals if _has_account(one) for who in (one.user_id, one.actor)}
        disabled = await parts.users.disabled_among(people)
        return frozenset(
            one
            for one in principals
            if (one.expires_at is not None and one.expires_at <= now)
            or (one.session_id is not None and one.session_id not in sessions)
            or (one.key_id is not None and one.key_id not in keys)
            or not disabled.isdisjoint((one.user_id, one.actor))
        )

    async def _proven(
        self, headers: Mapping[str, str], address: str, ticket: str | None, token: str | None
    ) -> Principal | None:
        bearer = bearer_of(headers)
        if bearer is None and ticket is not None:
            redeemed = await self._tickets.redeem(ticket)
            if not await self.still_valid(redeemed):
                raise Unauthenticated("The login of this ticket has ended.", code="invalid_ticket")
            return redeemed
        bearer = token if bearer is None else bearer
        proof = proof_of(self._rules, bearer)
        if bearer is not None and proof in (Proof.ACCESS_TOKEN, Proof.API_KEY):
            # Identity headers beside a person's own proof are a second, unproven one: refused as from any caller.
            principal_without_session(self._rules, proof, headers, address=address)
            return await (self._of_key(bearer) if proof is Proof.API_KEY else self._of_token(bearer))
        return principal_without_session(self._rules, proof, headers, address=address)

    async def _of_token(self, token: str) -> Principal:
        now = self._parts.clock.now()
        claims = self._parts.signer.verify(Purpose.ACCESS, token, now)
        session = await self._parts.sessions.get(claims.session_id)
        if session is None or not session.live(now) or session.user_id != claims.subject:
            raise Unauthenticated("This login has ended; log in again.", code="token_revoked")
        return Principal(
            user_id=claims.subject,
            org_id=claims.org_id,
            roles=claims.roles,
            method=Method.SESSION,
            mfa=session.mfa,
            session_id=session.session_id,
            impersonator=session.impersonator,
            expires_at=min(claims.expires_at, session.expires_at),
        )

    async def _of_key(self, text: str) -> Principal:
        now = self._parts.clock.now()
        key_id = api_keys.key_id_of(text)
        key = None if key_id is None else await self._parts.keys.get(key_id)
        if key is None or not api_keys.matches(text, key.digest) or not key.live(now):
            raise Unauthenticated("The API key is not valid.", code="invalid_api_key")
        try:
            user = await self._parts.users.by_id(key.user_id)
        except NotFound:
            user = None
        if user is None or user.disabled:
            raise Unauthenticated("The API key is not valid.", code="invalid_api_key")
        if key.last_used_at is None or key.last_used_at < now - api_keys.TOUCH_EVERY_S:
            await self._parts.keys.touch(key.key_id, now)
        return Principal(
            user_id=user.user_id,
            org_id=user.org_id,
            roles=user.roles,
            method=Method.API_KEY,
            key_id=key.key_id,
            expires_at=key.expires_at,
        )


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
        """The principal of the ticket. Raises Unauthenticated where it is unknown, used or too old."""
        raw = await self._shared.take(_key(ticket)) if len(ticket) <= _MAX_TICKET_CHARS else None
        if raw is None:
            raise Unauthenticated("The ticket is unknown, used or too old; get a new one.", code="invalid_ticket")
        return decode_as(raw, Principal)


def _has_account(principal: Principal) -> bool:
    """Whether the principal is a person whom this server knows, not a machine credential."""
    return principal.session_id is not None or principal.key_id is not None


def _key(ticket: str) -> str:
    return "ticket:" + hashlib.sha256(ticket.encode()).hexdigest()
