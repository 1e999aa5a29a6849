"""Client certificates as an endpoint's owner gives them, good and bad."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from aragora.webhooks.endpoint import ClientCertificate

NAME = "client.example.com"


def issued(
    authority: trustme.CA, *, name: str = NAME, days: float | None = None, from_days: float = -1.0
) -> ClientCertificate:
    """A certificate and its key. It is valid for `days` from now, unsaid for years, and since `from_days`."""
    now = datetime.now(UTC)
    until = {} if days is None else {"not_after": now + timedelta(days=days)}
    since = {} if from_days == -1.0 else {"not_before": now + timedelta(days=from_days)}
    leaf = authority.issue_cert(name, common_name=name, **until, **since)
    chain = "".join(blob.bytes().decode() for blob in leaf.cert_chain_pems)
    return ClientCertificate(chain, leaf.private_key_pem.bytes().decode())


def with_password(private_key: str) -> str:
    """The same key in PEM, behind a password."""
    key = load_pem_private_key(private_key.encode(), None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"pw")).decode()


def given(certificate: ClientCertificate) -> dict[str, str]:
    """As it is sent to the API."""
    return {"certificate": certificate.certificate, "private_key": certificate.private_key}
