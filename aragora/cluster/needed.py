"""The settings without which a node cannot be part of a cluster. Pure.

A server on one machine makes its own keys beside its data. On a cluster every node would make others: a login of one
node would be refused by the next, and a receipt of one would not be trusted by another. So here they are all needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pydantic import SecretStr

from aragora.config.chapters import SECRET_MIN_CHARS
from aragora.config.settings import Settings

REMEDY: Final = "`aragora cluster env` writes a new .env, and the other nodes get a copy of it"
_SECRETS: Final = {
    "ARAGORA_JWT_SECRET": "jwt_secret",
    "ARAGORA_ENCRYPTION_KEY": "encryption_key",
    "ARAGORA_RECEIPT_SIGNING_KEY": "receipt_signing_key",
    "ARAGORA_API_TOKEN": "api_token",
}
_TYPED: Final = ("ARAGORA_JWT_SECRET", "ARAGORA_API_TOKEN")
"""Any text may be chosen for these, so it may be too short; the others have one length."""


def missing_for_cluster(settings: Settings) -> tuple[str, ...]:
    """A line for each setting that a node of a cluster lacks: its name and the remedy, never a value."""
    return tuple(_missing(settings))


def _missing(settings: Settings) -> Iterator[str]:
    if settings.database_url is None:
        yield "DATABASE_URL is not set: name the PostgreSQL that every node reaches (SQLite serves one node only)"
    for name, field in _SECRETS.items():
        secret: SecretStr | None = getattr(settings, field)
        if secret is None:
            yield f"{name} is not set, and all nodes need the same one: {REMEDY}"
        elif name in _TYPED and len(secret.get_secret_value()) < SECRET_MIN_CHARS:
            yield f"{name} has fewer than {SECRET_MIN_CHARS} characters and could be guessed: {REMEDY}"
