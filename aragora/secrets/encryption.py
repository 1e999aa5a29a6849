"""Encryption at rest: the service that stores use, and the process-wide one that ARAGORA_ENCRYPTION_KEY makes.

Fields are encrypted one by one. Plaintext from before encryption stays readable, so that a migration can run while the
server does; in a store that was encrypted whole (`refuse_plaintext_in`) it is refused: who can write rows but has no
key must not set a secret.
"""

from __future__ import annotations

import functools
import logging
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from aragora.config.legacy import DATA_DIR
from aragora.config.settings import Settings
from aragora.encoding import decode, encode
from aragora.errors import Misconfigured
from aragora.observability.registry import REGISTRY, Registry
from aragora.secrets.envelope import (
    MARKER,
    DecryptionFailed,
    KeyNotFound,
    Place,
    PlaintextRefused,
    is_envelope,
    key_id_of,
    open_envelope,
    seal,
)
from aragora.secrets.fields import secrets_of, transform, transform_stored
from aragora.secrets.keyring import Keyring, local_encryption_key

__all__ = [
    "CRYPTO_AVAILABLE",
    "MARKER",
    "DecryptionFailed",
    "EncryptionService",
    "KeyNotFound",
    "PlaintextRefused",
    "get_encryption_service",
    "is_envelope",
]

CRYPTO_AVAILABLE: Final = True
"""`cryptography` is a dependency, not an option: without it the import above fails, loudly."""

_log = logging.getLogger(__name__)


class EncryptionService:
    """Encrypts and decrypts the secret fields of records, and counts it.

    Args:
        ring: the keys; the first encrypts, all decrypt.
        registry: where operations, latencies and errors are counted.
        durable: False where the key dies with the process.
    """

    def __init__(self, ring: Keyring, registry: Registry = REGISTRY, *, durable: bool = True) -> None:
        self._ring = ring
        self._registry = registry
        self._whole: frozenset[str] = frozenset()
        self.durable = durable

    def refuse_plaintext_in(self, stores: Collection[str]) -> None:
        """From now on a secret that rests in plaintext is refused in these stores too.

        A store stays refused for the life of the process: the mark lies beside the data, and who can write a row there
        can delete the mark.
        """
        self._whole |= frozenset(stores)

    def get_active_key_id(self) -> str:
        """The id of the key that encrypts. It tells nothing about the key."""
        return self._ring.active.key_id

    def encrypt_value(self, value: Any, *, store: str, record: str, field: str) -> dict[str, Any]:
        """Any JSON value as an envelope bound to its store, record and field."""
        with self._measured("encrypt", store):
            return seal(self._ring, encode(value), Place(store, record, field))

    def decrypt_value(self, value: Any, *, store: str, record: str, field: str) -> Any:
        """What an envelope holds; anything else is plaintext from before encryption and comes back as it is.

        Raises PlaintextRefused (in a store that has no such plaintext any more), KeyNotFound (the key is not in the
        ring) or DecryptionFailed (changed, moved or malformed).
        """
        if not is_envelope(value):
            return self._plaintext(value, Place(store, record, field))
        with self._measured("decrypt", store):
            plaintext = open_envelope(self._ring, value, Place(store, record, field))
            try:
                return decode(plaintext)
            except msgspec.DecodeError as error:
                raise DecryptionFailed(f"The encrypted field {field!r} holds no JSON value.") from error

    def encrypt_fields(self, record: Mapping[str, Any], *, store: str, record_id: str) -> dict[str, Any]:
        """A copy of a plaintext record with each secret field encrypted."""
        return transform(
            record, lambda path, value: self.encrypt_value(value, store=store, record=record_id, field=path)
        )

    def decrypt_fields(self, record: Mapping[str, Any], *, store: str, record_id: str) -> dict[str, Any]:
        """A copy of a stored record with each secret field readable, also of one that an older policy stored. Raises
        PlaintextRefused, KeyNotFound or DecryptionFailed."""
        return transform_stored(
            record, lambda path, value: self.decrypt_value(value, store=store, record=record_id, field=path)
        )

    def needs_encryption(self, record: Mapping[str, Any]) -> bool:
        """Whether a stored record has a secret in plaintext or under a key other than the active one."""
        active = self.get_active_key_id()
        return any(not is_envelope(value) or key_id_of(value) != active for _, value in secrets_of(record))

    def _plaintext(self, value: Any, place: Place) -> Any:
        if place.store not in self._whole:
            self._registry.inc("aragora_encryption_operations_total", operation="read_plaintext", store=place.store)
            return value
        with self._measured("decrypt", place.store):
            refused = PlaintextRefused(
                f"The secret field {place.field!r} of the {place.store} record {place.record} rests in plaintext, and "
                "this store was encrypted whole: the server did not write it. Save the record anew; after a restore of "
                "old data run encrypt_existing_data with --accept-plaintext."
            )
            _log.warning("%s", refused.message)
            raise refused

    @contextmanager
    def _measured(self, operation: str, store: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        except Exception as error:
            kind = type(error).__name__
            self._registry.inc("aragora_encryption_errors_total", operation=operation, error_type=kind)
            raise
        finally:
            self._registry.inc("aragora_encryption_operations_total", operation=operation, store=store)
            elapsed_s = time.perf_counter() - started
            self._registry.observe("aragora_encryption_operation_latency_seconds", elapsed_s, operation=operation)


def encryption_service(
    key_text: str | None, *, production: bool, data_dir: Path, registry: Registry = REGISTRY
) -> EncryptionService:
    """The service for a key setting; without one, development uses the key it keeps in `data_dir`.

    Raises Misconfigured for a malformed key, or for none in production.
    """
    if key_text:
        return EncryptionService(Keyring.parse(key_text), registry)
    if production:
        raise Misconfigured("ARAGORA_ENCRYPTION_KEY is not set: production does not store secrets without it.")
    try:
        kept = local_encryption_key(data_dir)
    except OSError as error:
        _log.warning(
            "ARAGORA_ENCRYPTION_KEY is not set and no key can be kept in %s (%s): secrets are encrypted with a key "
            "that only this process knows. Data will not be recoverable after restart. Set ARAGORA_ENCRYPTION_KEY to "
            "64 hex characters.",
            data_dir,
            error.strerror,
        )
        return EncryptionService(Keyring.ephemeral(), registry, durable=False)
    return EncryptionService(Keyring.parse(kept), registry)


def service_of(settings: Settings) -> EncryptionService:
    """The service for the key and the data directory of these settings. Raises Misconfigured."""
    key = settings.encryption_key
    return encryption_service(
        None if key is None else key.get_secret_value(), production=settings.production, data_dir=settings.data_dir
    )


@functools.cache
def _service_for(key_text: str | None, production: bool, data_dir: Path) -> EncryptionService:
    return encryption_service(key_text, production=production, data_dir=data_dir)


def get_encryption_service(environ: Callable[[str], str | None] = os.environ.get) -> EncryptionService:
    """The process-wide service of ARAGORA_ENCRYPTION_KEY, ARAGORA_ENV and ARAGORA_DATA_DIR: one for each setting of
    them, so an ephemeral key lives as long as the process."""
    production = (environ("ARAGORA_ENV") or "development") == "production"
    data_dir = Path(environ("ARAGORA_DATA_DIR") or DATA_DIR)
    return _service_for(environ("ARAGORA_ENCRYPTION_KEY") or None, production, data_dir)
