"""From what a request carries to the principal it acts for: the stores behind the rules of `proofs`.

Also one-time tickets: how a browser, which cannot send headers with a WebSocket, shows who it is.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Collection, Mapping
from typing import Final

from aragora.encoding import decode_as, encode_text
from aragora.errors import RateLimited, Unauthenticated, Unavailable
from aragora.identity import api_keys
from aragora.identity.client_address import rate_limit_scope
from aragora.identity.parts import IdentityParts, Visit
from aragora.identity.principal import Method, Principal
from aragora.identity.proofs import IdentityRules, Proof, bearer_of, principal_without_session, proof_of
from aragora.identity.rate_limits import BAD_CREDENTIALS_PER_ADDRESS
from aragora.identity.rbac import SYSTEM_ADMIN, permissions_of, workspaces_of
from aragora.identity.store.users import Standing
from aragora.identity.tokens import Purpose
from aragora.storage.ephemeral import Ephemeral

TICKET_S: Final = 30.0
_MAX_TICKET_CHARS: Final = 100

_log = logging.getLogger(__name__)


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
        """Whether a principal that was proven earlier still is, with every right that it was proven with."""
        return not await self.ended((principal,))

    async def ended(self, principals: Collection[Principal]) -> frozenset[Principal]:
        """Which of those that were proven earlier no longer are: their login, key or account has ended, or a right is
        gone that they were proven with. For connections that stay open: a few queries, however many there are. Raises
        Unavailable."""
        now, parts = self._parts.clock.now(), self._parts
        sessions = await parts.sessions.live_among({one.session_id for one in principals if one.session_id}, now)
        keys = await parts.keys.live_among({one.key_id for one in principals if one.key_id}, now)
        people = {who for one in principals if _has_account(one) for who in (one.user_id, one.actor)}
        standings = await parts.users.standings_among(people)
        return frozenset(
            one
            for one in principals
            if (one.expires_at is not None and one.expires_at <= now)
            or (one.session_id is not None and one.session_id not in sessions)
            or (one.key_id is not None and one.key_id not in keys)
            or (_has_account(one) and not _stands(one, standings))
        )

    async def witness(self, principal: Principal, deed: str, target: str, visit: Visit) -> None:
        """Before somebody who acts as another does something: write to the audit log who really does it. For anybody
        else there is nothing to write. Raises Unavailable: what cannot be audited is not done."""
        if principal.impersonator is not None:
            await self._parts.note(
                visit, "impersonation.deed", principal.actor, principal.org_id,
                subject=principal.user_id, target=target, deed=deed,
            )  # fmt: skip

    async def _standing(self, user_id: str) -> Standing | None:
        """What the account may do now; None where it is disabled or gone."""
        standing = await self._parts.users.standing(user_id, self._parts.clock.monotonic())
        return None if standing is None or standing.disabled else standing

    async def _may_act(self, impersonator: str | None) -> bool:
        """Whether who acts as another still may."""
        if impersonator is None:
            return True
        return _acts(await self._parts.users.standing(impersonator, self._parts.clock.monotonic()))

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
        standing = await self._standing(claims.subject)
        if standing is None or not await self._may_act(session.impersonator):
            raise Unauthenticated("This login has ended: the account is disabled.", code="token_revoked")
        return Principal(
            user_id=claims.subject,
            org_id=standing.org_id,
            roles=standing.roles,
            method=Method.SESSION,
            mfa=session.mfa,
            session_id=session.session_id,
            impersonator=session.impersonator,
            expires_at=min(claims.expires_at, session.expires_at),
            proved_at=session.proved_at,
            login=session.method,
            granted=standing.workspaces,
        )

    async def _of_key(self, text: str) -> Principal:
        now = self._parts.clock.now()
        key_id = api_keys.key_id_of(text)
        key = None if key_id is None else await self._parts.keys.get(key_id)
        if key is None or not api_keys.matches(text, key.digest) or not key.live(now):
            raise Unauthenticated("The API key is not valid.", code="invalid_api_key")
        standing = await self._standing(key.user_id)
        if standing is None:
            raise Unauthenticated("The API key is not valid.", code="invalid_api_key")
        if key.last_used_at is None or key.last_used_at < now - api_keys.TOUCH_EVERY_S:
            await self._note_use(key.key_id, now)
        return Principal(
            user_id=key.user_id,
            org_id=standing.org_id,
            roles=standing.roles,
            method=Method.API_KEY,
            key_id=key.key_id,
            expires_at=key.expires_at,
            scopes=key.scopes,
            granted=standing.workspaces,
            bound_to=key.workspace,
        )

    async def _note_use(self, key_id: str, now: float) -> None:
        """A key is good whether or not its use can be noted, such as where the database takes reads alone."""
        try:
            await self._parts.keys.touch(key_id, now)
        except Unavailable as away:
            _log.debug("use of an API key not noted: %s", away.message)


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


def _stands(principal: Principal, standings: Mapping[str, Standing]) -> bool:
    """Whether the account behind a principal still has every right that it was proven with."""
    standing = standings.get(principal.user_id)
    if standing is None or standing.disabled or not principal.permissions <= permissions_of(standing.roles):
        return False
    reach = workspaces_of(standing.roles, standing.workspaces)
    if reach is not None and (principal.workspaces is None or not principal.workspaces <= reach):
        return False
    return principal.impersonator is None or _acts(standings.get(principal.impersonator))


def _acts(impersonator: Standing | None) -> bool:
    """Whether somebody may act as another. The operator of the installation has no account and always may."""
    return impersonator is None or (not impersonator.disabled and SYSTEM_ADMIN in permissions_of(impersonator.roles))


def _key(ticket: str) -> str:
    return "ticket:" + hashlib.sha256(ticket.encode()).hexdigest()
