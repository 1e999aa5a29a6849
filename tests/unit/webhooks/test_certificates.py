"""Client certificates: refused with what is wrong and its mend, and shown without what is secret."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from worlds.client_certificates import NAME, issued, with_password

from aragora.errors import InvalidInput
from aragora.webhooks.certificates import (
    CERTIFICATE_MAX_CHARS,
    CHAIN_MAX,
    NAME_MAX_CHARS,
    PRIVATE_KEY_MAX_CHARS,
    UNREADABLE,
    check_certificate,
    facts_of,
)
from aragora.webhooks.endpoint import ClientCertificate

CA = trustme.CA()
GOOD = issued(CA)
OTHER = issued(CA, name="other.example.com")
NOW = time.time()
AUTHORITY = CA.cert_pem.bytes().decode()


def pem_of(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | x25519.X25519PrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def self_signed(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, name: str, *, days: float = 90.0
) -> ClientCertificate:
    now = datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    building = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    building = building.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=days))
    made = building.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()
    return ClientCertificate(made, pem_of(key))


def refusal(certificate: str, private_key: str) -> str:
    """What is told; it holds neither of the two."""
    with pytest.raises(InvalidInput) as refused:
        check_certificate(ClientCertificate(certificate, private_key), NOW)
    told = refused.value.message
    for text in (certificate, private_key):
        assert all(line not in told for line in text.splitlines() if len(line) > 30)
    assert "client_certificate" in told
    assert len(told) < 300
    return told


def test_a_certificate_with_its_key_and_its_chain_is_taken() -> None:
    check_certificate(GOOD, NOW)
    check_certificate(ClientCertificate(GOOD.certificate + AUTHORITY, GOOD.private_key), NOW)
    check_certificate(self_signed(rsa.generate_private_key(65_537, 2_048), "rsa.example.com"), NOW)


@pytest.mark.parametrize(
    ("certificate", "private_key", "told"),
    [
        ("", GOOD.private_key, "certificate cannot be read"),
        ("no certificate", GOOD.private_key, "certificate cannot be read"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", GOOD.private_key, "cannot be read"),
        (f"{GOOD.certificate}\u00e9", GOOD.private_key, "cannot be read"),
        (GOOD.certificate.replace("CERTIFICATE", "PUBLIC KEY"), GOOD.private_key, "cannot be read"),
        (GOOD.certificate + GOOD.private_key, GOOD.private_key, "holds a private key"),
        (GOOD.certificate + AUTHORITY * CHAIN_MAX, GOOD.private_key, f"give {CHAIN_MAX} at most"),
        ("x" * (CERTIFICATE_MAX_CHARS + 1), GOOD.private_key, "over 32,768 characters"),
        (GOOD.certificate, "x" * (PRIVATE_KEY_MAX_CHARS + 1), "over 16,384 characters"),
        (GOOD.certificate, "", "private_key cannot be read"),
        (GOOD.certificate, "\x00", "private_key cannot be read"),
        (GOOD.certificate, f"{GOOD.private_key}\ud800", "private_key cannot be read"),
        (GOOD.certificate, GOOD.certificate, "private_key cannot be read"),
        (GOOD.certificate, with_password(GOOD.private_key), "has a password"),
        (GOOD.certificate, pem_of(x25519.X25519PrivateKey.generate()), "a kind that TLS does not use"),
        (GOOD.certificate, pem_of(rsa.generate_private_key(65_537, 1_024)), "has 1024 bits"),
        (GOOD.certificate, OTHER.private_key, "not the key of this certificate"),
        (AUTHORITY + GOOD.certificate, GOOD.private_key, "belongs to a later certificate"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_cannot_be_used_is_refused_with_its_mend_and_not_repeated(
    certificate: str, private_key: str, told: str
) -> None:
    assert told in refusal(certificate, private_key)


def test_a_certificate_is_refused_outside_its_time() -> None:
    ended, to_come = issued(CA, days=-0.5, from_days=-30.0), issued(CA, from_days=2.0)
    assert "has expired, on 20" in refusal(ended.certificate, ended.private_key)
    assert "is not valid before 20" in refusal(to_come.certificate, to_come.private_key)
    check_certificate(to_come, NOW + 3 * 86_400)


def test_what_may_be_seen_is_who_by_whom_until_when_and_a_fingerprint() -> None:
    leaf = x509.load_pem_x509_certificate(GOOD.certificate.encode())
    facts = facts_of(GOOD, NOW)
    assert NAME in facts.subject
    assert "trustme" in facts.issuer
    assert facts.fingerprint == leaf.fingerprint(hashes.SHA256()).hex()
    assert (facts.not_before, facts.not_after) == (
        leaf.not_valid_before_utc.timestamp(),
        leaf.not_valid_after_utc.timestamp(),
    )
    assert GOOD.private_key not in repr(facts) + repr(GOOD)


@pytest.mark.parametrize(("days", "soon"), [(29.9, True), (30.1, False)])
def test_a_certificate_that_ends_within_thirty_days_says_so(days: float, soon: bool) -> None:
    certificate = issued(CA, days=days)
    assert facts_of(certificate, NOW).expires_soon is soon
    assert facts_of(certificate, NOW + 31 * 86_400).expires_soon


def test_names_of_any_length_and_content_fit_one_line() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    odd = facts_of(self_signed(key, "a\u202eb\x1b[31m\u2028c"), NOW)
    assert odd.subject.isprintable()
    subject = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATIONAL_UNIT_NAME, "u" * 60)] * 20)
    now = datetime.now(UTC)
    building = x509.CertificateBuilder(subject, subject, key.public_key(), 1)
    building = building.not_valid_before(now).not_valid_after(now + timedelta(days=9))
    made = building.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()
    assert len(facts_of(ClientCertificate(made, ""), NOW).subject) == NAME_MAX_CHARS


def test_one_that_a_later_library_cannot_read_is_shown_as_such() -> None:
    facts = facts_of(ClientCertificate("-----BEGIN CERT", "x"), NOW)
    assert (facts.subject, facts.expires_soon) == (UNREADABLE, True)
