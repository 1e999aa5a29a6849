"""Persistence: databases, receipts, the Knowledge Mound and encryption at rest."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, SecretStr

from aragora.config.variables import PRODUCTION, DatabaseUrl, HexKeys, RedisUrl, SigningKey, WebAddress, variable

_POSTGRES = "postgresql://USER:PASSWORD@HOST:PORT/DATABASE"


class PersistenceSettings(BaseModel):
    """URLs may hold a password, so they are secrets and never shown."""

    database_url: DatabaseUrl | None = variable(
        "DATABASE_URL",
        "PostgreSQL for everything; unset: SQLite files in the data directory (one node only).",
        allowed=_POSTGRES,
    )
    db_pool_size: int = variable("ARAGORA_DB_POOL_SIZE", "Database connections per process.", default=10, ge=1, le=1000)
    db_pool_timeout: float = variable(
        "ARAGORA_DB_POOL_TIMEOUT", "Seconds to wait for a database connection or lock.", default=30, ge=0.1, le=3600
    )
    supabase_url: WebAddress | None = variable(
        "SUPABASE_URL", "Project URL of Supabase.", allowed="an http:// or https:// address"
    )
    supabase_key: SecretStr | None = variable("SUPABASE_KEY", "Key of Supabase.")
    redis_url: RedisUrl | None = variable(
        "ARAGORA_REDIS_URL",
        "Redis for sessions, OAuth states, rate limits and caches; unset: one actor holds them.",
        allowed="redis://HOST:PORT",
    )
    approval_store_backend: Literal["sqlite", "postgres", "redis"] = variable(
        "ARAGORA_APPROVAL_STORE_BACKEND", "Where requests for approval are kept.", default="sqlite"
    )

    receipt_retention_days: int = variable(
        "ARAGORA_RECEIPT_RETENTION_DAYS", "Days a receipt is kept; the default is seven years.", default=2555, ge=1
    )
    receipt_cleanup_interval_hours: float = variable(
        "ARAGORA_RECEIPT_CLEANUP_INTERVAL_HOURS", "Hours between two clean-ups of receipts.", default=24, ge=0.01
    )
    receipt_signing_key: SigningKey | None = variable(
        "ARAGORA_RECEIPT_SIGNING_KEY",
        "Ed25519 key that signs receipts; unset: one is made in the data directory.",
        allowed="PEM, or a seed of 64 hex characters",
    )

    knowledge_mound_database_url: DatabaseUrl | None = variable(
        "KNOWLEDGE_MOUND_DATABASE_URL",
        "PostgreSQL of the Knowledge Mound; unset: SQLite in the data directory.",
        allowed=_POSTGRES,
    )
    knowledge_mound_redis_url: RedisUrl | None = variable(
        "KNOWLEDGE_MOUND_REDIS_URL", "Redis cache of the Knowledge Mound.", allowed="redis://HOST:PORT"
    )
    cp_enable_km: bool = variable("CP_ENABLE_KM", "The control plane learns from the Knowledge Mound.", default=True)
    cp_km_workspace: str = variable(
        "CP_KM_WORKSPACE", "Workspace of the control plane in the Knowledge Mound.", default="default"
    )

    encryption_key: HexKeys | None = variable(
        "ARAGORA_ENCRYPTION_KEY",
        "Keys of encryption at rest: the first encrypts, all decrypt (`new,old1,old2`).",
        allowed="64 hex characters, or several such keys separated by commas",
        needed=PRODUCTION,
    )
