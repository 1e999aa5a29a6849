"""What the identity services are made of, and what a visit tells of itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from aragora.clock import Clock
from aragora.identity.api_keys import ApiKeyStore
from aragora.identity.audit import AuditEvent, Outcome
from aragora.identity.client_address import is_loopback, rate_limit_scope
from aragora.identity.passwords import Passwords
from aragora.identity.rate_limits import Limit, RateLimits
from aragora.identity.registration import RegistrationRules
from aragora.identity.store.audit_log import AuditLog, Change
from aragora.identity.store.invitations import InvitationStore
from aragora.identity.store.sessions import SessionStore
from aragora.identity.store.users import UserStore
from aragora.identity.store.workspaces import WorkspaceStore
from aragora.identity.tokens import TokenSigner
from aragora.observability.registry import REGISTRY, Registry
from aragora.secrets.encryption import EncryptionService
from aragora.storage.ephemeral import Ephemeral

T = TypeVar("T")


@dataclass(frozen=True)
class IdentityParts:
    """The stores and tools. `shared` holds what all replicas must agree on for seconds to minutes."""

    users: UserStore
    sessions: SessionStore
    keys: ApiKeyStore
    invitations: InvitationStore
    workspaces: WorkspaceStore
    audit: AuditLog
    passwords: Passwords
    signer: TokenSigner
    shared: Ephemeral
    limits: RateLimits
    crypto: EncryptionService
    clock: Clock
    access_s: float
    refresh_s: float
    registration: RegistrationRules
    production: bool = False
    registry: Registry = field(default=REGISTRY)

    async def note(
        self,
        visit: Visit,
        action: str,
        actor: str,
        org_id: str,
        outcome: Outcome = Outcome.SUCCESS,
        *,
        subject: str = "",
        target: str = "",
        **details: str,
    ) -> None:
        """Write to the audit log what changes nothing of identity; what does is for `enact`. Raises Unavailable: what
        cannot be audited is not done."""
        event = visit.event(action, actor, org_id, outcome, subject=subject, target=target, details=details)
        await self.audit.append(event)

    async def enact(
        self,
        visit: Visit,
        action: str,
        actor: str,
        org_id: str,
        change: Change[T],
        *,
        login: str | None,
        subject: str = "",
        target: str = "",
        **details: str,
    ) -> T:
        """Do the change with its entry in the audit log, in one transaction: both, or neither. Returns what the change
        returns; raises what it raises, and Unavailable.

        `login` is the session in which somebody does this, None for who has none or ends it. Where it has ended,
        nothing is done (Unauthenticated, code token_revoked): what ends a login, such as a new password, also revokes
        what the login made, and would not find what comes after it.
        """

        async def within(connection: AsyncConnection) -> T:
            if login is not None:
                await self.sessions.require_open(connection, login, self.clock.now())
            return await change(connection)

        done = Outcome.SUCCESS
        event = visit.event(action, actor, org_id, done, subject=subject, target=target, details=details)
        return await self.audit.record(event, within)

    async def limit_address(self, limit: Limit, visit: Visit) -> None:
        """Count a visit against its address; a development server does not limit its own machine. Raises
        RateLimited."""
        if self.production or not is_loopback(visit.address):
            await self.limits.require((limit, rate_limit_scope(visit.address)))

    def failed(self) -> None:
        """Count a failed authentication."""
        self.registry.inc("aragora_auth_failures_total")


@dataclass(frozen=True, slots=True)
class Visit:
    """Where a request comes from, for limits and the audit log."""

    address: str
    request_id: str = ""

    def event(
        self,
        action: str,
        actor: str,
        org_id: str,
        outcome: Outcome,
        *,
        subject: str,
        target: str,
        details: dict[str, str],
    ) -> AuditEvent:
        """What happened on this visit; `subject` empty: the actor acted as itself."""
        return AuditEvent(
            action=action,
            actor=actor,
            org_id=org_id,
            outcome=outcome,
            subject=subject or actor,
            target=target,
            address=self.address,
            request_id=self.request_id,
            details=details,
        )
