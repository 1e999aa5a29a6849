"""The runbook's names for encryption at rest. They live in `aragora.secrets.encryption`."""

from __future__ import annotations

from aragora.secrets.encryption import CRYPTO_AVAILABLE, get_encryption_service

__all__ = ["CRYPTO_AVAILABLE", "get_encryption_service"]
