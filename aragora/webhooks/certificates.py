"""The client certificate of an endpoint: checked before it is stored, and what may be seen of it. Pure: times come in.

The private key is read here to see whether it belongs to the certificate. No error holds it, nor the certificate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from aragora.errors import InvalidInput
from aragora.webhooks.endpoint import ClientCertificate

CERTIFICATE_MAX_CHARS: Final = 32_768
"""A certificate with the chain to its authority has some 6,000."""
PRIVATE_KEY_MAX_CHARS: Final = 16_384
CHAIN_MAX: Final = 10
NAME_MAX_CHARS: Final = 256
EXPIRES_SOON_S: Final = 30 * 86_400.0
UNREADABLE: Final = "it cannot be read any more: give another"
RSA_MIN_BITS: Final = 2_048  # TLS libraries refuse shorter ones

_WHERE: Final = "client_certificate"
_KEYS: Final = (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """What may be seen of a client certificate. Times are seconds since the epoch.

    Args:
        subject, issuer: distinguished names (RFC 4514), cut to 256 characters, with `?` for what cannot be printed.
        fingerprint: SHA-256 of the certificate, 64 hex digits.
        expires_soon: whether it ends within 30 days, or has ended.
    """

    subject: str
    issuer: str
    not_before: float
    not_after: float
    fingerprint: str
    expires_soon: bool


def check_certificate(certificate: ClientCertificate, now: float) -> None:
    """Raises InvalidInput where a certificate and its key cannot be used at the time `now`: too long, no PEM, a key
    with a password, another key, not valid yet, expired."""
    _check_size("certificate", certificate.certificate, CERTIFICATE_MAX_CHARS)
    _check_size("private_key", certificate.private_key, PRIVATE_KEY_MAX_CHARS)
    chain = _chain(certificate.certificate)
    key = _private_key(certificate.private_key)
    _check_match(chain, key)
    leaf = chain[0]
    if now >= leaf.not_valid_after_utc.timestamp():
        raise InvalidInput(
            f"{_WHERE}.certificate has expired, on {leaf.not_valid_after_utc:%Y-%m-%d}: give one that is valid."
        )
    if now < leaf.not_valid_before_utc.timestamp():
        raise InvalidInput(
            f"{_WHERE}.certificate is not valid before {leaf.not_valid_before_utc:%Y-%m-%d %H:%M} UTC: give it then, "
            "or one that is valid now."
        )


def facts_of(certificate: ClientCertificate, now: float) -> CertificateFacts:
    """What may be seen of a certificate that was checked when it was stored, at the time `now`."""
    try:
        leaf = _chain(certificate.certificate)[0]
    except InvalidInput:  # a later version of the library may be stricter, and webhooks are listed all the same
        return CertificateFacts(UNREADABLE, "", 0.0, 0.0, "", expires_soon=True)
    not_after = leaf.not_valid_after_utc.timestamp()
    return CertificateFacts(
        subject=_name(leaf.subject),
        issuer=_name(leaf.issuer),
        not_before=leaf.not_valid_before_utc.timestamp(),
        not_after=not_after,
        fingerprint=leaf.fingerprint(hashes.SHA256()).hex(),
        expires_soon=not_after - now < EXPIRES_SOON_S,
    )


def _check_size(name: str, text: str, most: int) -> None:
    if len(text) > most:
        raise InvalidInput(f"{_WHERE}.{name} has over {most:,} characters: give the PEM of one, and no more.")


def _chain(pem: str) -> list[x509.Certificate]:
    """The certificates of a PEM text, the endpoint's own first."""
    if "PRIVATE KEY-----" in pem:
        raise InvalidInput(f"{_WHERE}.certificate holds a private key: put that into {_WHERE}.private_key.")
    try:
        chain = x509.load_pem_x509_certificates(pem.encode("ascii"))
        for one in chain:  # reads what is looked at later: parts are parsed when they are asked for
            _name(one.subject), _name(one.issuer), one.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):  # ValueError: not ASCII, too
        raise InvalidInput(
            f"{_WHERE}.certificate cannot be read: give an X.509 certificate in PEM (-----BEGIN CERTIFICATE-----), the "
            "chain to its authority after it."
        ) from None
    if len(chain) > CHAIN_MAX:
        raise InvalidInput(f"{_WHERE}.certificate holds {len(chain)} certificates: give {CHAIN_MAX} at most.")
    return chain


def _private_key(pem: str) -> PrivateKeyTypes:
    try:
        key = load_pem_private_key(pem.encode("ascii"), password=None)
    except TypeError:  # so the library says that there is a password
        raise InvalidInput(
            f"{_WHERE}.private_key has a password: give the key without one (openssl pkey -in KEY); it rests encrypted "
            "here."
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidInput(
            f"{_WHERE}.private_key cannot be read: give the key of the certificate in PEM (-----BEGIN PRIVATE KEY-----)."
        ) from None
    if not isinstance(key, _KEYS):
        raise InvalidInput(f"{_WHERE}.private_key is of a kind that TLS does not use: give one of RSA, EC or EdDSA.")
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < RSA_MIN_BITS:
        raise InvalidInput(
            f"{_WHERE}.private_key has {key.key_size} bits, which TLS refuses: give one of {RSA_MIN_BITS:,} or more."
        )
    return key


def _check_match(chain: list[x509.Certificate], key: PrivateKeyTypes) -> None:
    public = _raw(key.public_key())
    if _raw(chain[0].public_key()) == public:
        return
    if any(_raw(one.public_key()) == public for one in chain[1:]):
        raise InvalidInput(
            f"{_WHERE}.private_key belongs to a later certificate: put that one first, the chain to its authority after "
            "it."
        )
    raise InvalidInput(f"{_WHERE}.private_key is not the key of this certificate: give the two that belong together.")


def _raw(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _name(name: x509.Name) -> str:
    text = "".join(character if character.isprintable() else "?" for character in name.rfc4514_string())
    return text if len(text) <= NAME_MAX_CHARS else f"{text[: NAME_MAX_CHARS - 3]}..."
