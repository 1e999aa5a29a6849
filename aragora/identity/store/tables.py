"""The tables of identity, in the context `users`. See `aragora.storage.tables`."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, Table, Text

from aragora.encoding import decode
from aragora.scope import DEFAULT_WORKSPACE
from aragora.storage.contexts import Context
from aragora.storage.tables import METADATA

_USERS: Final = METADATA[Context.USERS]

users: Final = Table(
    "users",
    _USERS,
    Column("user_id", Text, primary_key=True),
    Column("email", Text, nullable=False, unique=True),  # see aragora.identity.addresses
    Column("name", Text, nullable=False),
    Column("org_id", Text, nullable=False),
    Column("roles", Text, nullable=False),  # JSON: array
    Column("workspaces", Text),  # JSON: array; NULL: made before there were workspaces
    Column("password_hash", Text),
    Column("mfa_secret", Text),  # JSON: envelope of aragora.secrets.encryption
    Column("mfa_enabled", Boolean, nullable=False),
    Column("totp_last_step", BigInteger, nullable=False),
    Column("oauth_subject", Text, unique=True),  # e.g. google:1234
    Column("disabled", Boolean, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Index("ix_users_org", "org_id", "user_id"),
)

backup_codes: Final = Table(
    "backup_codes",
    _USERS,
    Column("user_id", Text, primary_key=True),
    Column("digest", Text, primary_key=True),
    Column("used_at", Double),
)

sessions: Final = Table(
    "sessions",
    _USERS,
    Column("session_id", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("org_id", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("mfa", Boolean, nullable=False),
    Column("impersonator", Text),
    Column("address", Text, nullable=False),
    Column("revoked_at", Double),
    Column("revoked_reason", Text),
    Column("proved_at", Double),  # NULL: never, or before it was noted
    Column("method", Text),  # how it began: password, oauth, mfa; NULL: as another user, or before it was noted
    Index("ix_sessions_user", "user_id", "expires_at"),
    Index("ix_sessions_expiry", "expires_at"),
)

api_keys: Final = Table(
    "api_keys",
    _USERS,
    Column("key_id", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("org_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double),
    Column("last_used_at", Double),
    Column("revoked_at", Double),
    Column("scopes", Text),  # JSON: array; NULL: made before there were scopes
    Column("workspace", Text),  # NULL: all of its owner's
    Index("ix_api_keys_user", "user_id"),
)

audit_log: Final = Table(
    "audit_log",
    _USERS,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at_us", BigInteger, nullable=False),
    Column("action", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("org_id", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("details", Text, nullable=False),  # JSON: object
    Column("previous_hash", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Index("ix_audit_log_org", "org_id", "seq"),
    Index("ix_audit_log_actor", "actor", "seq"),
)

invitations: Final = Table(
    "invitations",
    _USERS,
    Column("invitation_id", Text, primary_key=True),
    Column("digest", Text, nullable=False, unique=True),
    Column("email", Text, nullable=False),
    Column("org_id", Text, nullable=False),
    Column("roles", Text, nullable=False),  # JSON: array
    Column("workspaces", Text),  # JSON: array; NULL: made before there were workspaces
    Column("invited_by", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("accepted_at", Double),
    Column("revoked_at", Double),
    Index("ix_invitations_org", "org_id", "invitation_id"),
    Index("ix_invitations_expiry", "expires_at"),
)

workspaces: Final = Table(  # those that were made by name; `default` is always there
    "workspaces",
    _USERS,
    Column("org_id", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("created_at", Double, nullable=False),
    Column("created_by", Text, nullable=False),
)


def workspaces_in(kept: str | None) -> tuple[str, ...]:
    """The workspaces in a column of that name: those from before have the one where all that there was is."""
    return (DEFAULT_WORKSPACE,) if kept is None else tuple(decode(kept))
