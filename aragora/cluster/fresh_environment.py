"""The text of a complete `.env` for a cluster. Pure: the secrets are made elsewhere and handed in.

Shells, systemd and dotenv read the file alike: names and values without spaces, comments on lines of their own.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class NewSecrets:
    """Freshly made secrets of an installation, each 64 hex characters."""

    jwt_secret: str = field(repr=False)
    encryption_key: str = field(repr=False)
    receipt_signing_key: str = field(repr=False)
    api_token: str = field(repr=False)


def fresh_environment(made: NewSecrets) -> str:
    """The file with these secrets. `DATABASE_URL` stands as a line to fill in."""
    return f"""\
# Settings of one installation of Aragora, the same on every node of its cluster. Mode 600: it holds secrets.
# On the other nodes put a copy of this file; a node whose secrets differ is refused. docs/ENVIRONMENT.md lists every
# variable, docs/security.md says how a secret is changed later.

# --- To fill in -------------------------------------------------------------------------------------------
# The PostgreSQL that every node reaches, in single quotes: 'postgresql://USER:PASSWORD@HOST:PORT/DATABASE'
# In USER and PASSWORD percent-encode what an address cannot hold: @ is %40, : is %3A, / is %2F, ' is %27.
DATABASE_URL=

# Redis for sessions, rate limits and caches; without it PostgreSQL holds them, and each replica counts.
#ARAGORA_REDIS_URL='redis://:PASSWORD@HOST:6379/0'

# Keys of language models; without any the tiny embedded model answers.
#ANTHROPIC_API_KEY=
#OPENAI_API_KEY=
#OPENROUTER_API_KEY=

# --- Made for this installation: keep a copy in a safe place ----------------------------------------------
# Production: callers log in, and nobody registers unless ARAGORA_REGISTRATION says so.
ARAGORA_ENV=production

# Whoever shows this token is the operator; with it the first administrator is registered (docs/identity.md).
ARAGORA_API_TOKEN={made.api_token}

# Signs access tokens. Ray's token is derived from it.
ARAGORA_JWT_SECRET={made.jwt_secret}

# Encrypts secrets at rest. What it encrypted is lost with it.
ARAGORA_ENCRYPTION_KEY={made.encryption_key}

# Signs receipts.
ARAGORA_RECEIPT_SIGNING_KEY={made.receipt_signing_key}
"""
