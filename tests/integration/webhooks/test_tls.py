"""Certificates of receivers and of ours."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
import trustme

from aragora.errors import InvalidInput, Misconfigured
from aragora.webhooks import tls
from aragora.webhooks.endpoint import ClientCertificate
from aragora.webhooks.model import Failure, Request
from tests.standins.names import Names
from tests.standins.receivers import Visit, answer, answering, closing_after, listening, tunnelling_to

from .conftest import Sending

HOST: Final = "hooks.test"
# What a server that knows no newer version answers to our hello: it says so, or it goes on with the old one.
ALERT: Final = bytes.fromhex("15 0301 0002 02 46")
HELLO_OF_TLS_1_0: Final = bytes.fromhex("16 0301 002a 02 000026 0301") + bytes(32) + bytes.fromhex("00 002f 00")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(autouse=True)
def names_of_this_test(names: Names) -> None:
    names.set(HOST, "127.0.0.1")


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


def request(url: str) -> Request:
    return Request(url=url, body=b"{}", headers={}, timeout_s=30.0)


def context_of(leaf: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    leaf.configure_cert(context)
    return context


def client_certificate(leaf: trustme.LeafCert) -> ClientCertificate:
    chain = "".join(blob.bytes().decode() for blob in leaf.cert_chain_pems)
    return ClientCertificate(chain, leaf.private_key_pem.bytes().decode())


async def test_a_receiver_with_a_certificate_of_the_installations_authority_is_reached(
    sending: Sending, authority: trustme.CA, ca_file: Path
) -> None:
    """By an address that its name resolved to: the name is what is sent to the server, and what is checked."""
    indicated: list[str | None] = []
    context = context_of(authority.issue_cert(HOST))
    context.sni_callback = lambda _, name, __: indicated.append(name)
    async with sending(ca_file=ca_file) as sender, listening(answering(answer()), name=HOST, tls=context) as receiver:
        for _ in range(3):
            got = await sender.send(request(receiver.url))
            assert (got.failure, got.address) == (None, "127.0.0.1")
    assert indicated == [HOST]
    assert receiver.connections == 1


async def test_a_receiver_of_another_name_at_the_same_address_is_not_believed(
    sending: Sending, authority: trustme.CA, ca_file: Path, names: Names
) -> None:
    names.set("other.test", "127.0.0.1")
    context = context_of(authority.issue_cert(HOST))
    async with sending(ca_file=ca_file) as sender, listening(answering(answer()), name=HOST, tls=context) as receiver:
        assert (await sender.send(request(receiver.url))).failure is None
        got = await sender.send(request(receiver.url.replace(HOST, "other.test")))
    assert (got.failure, got.told) == (Failure.TLS, "the certificate of the receiver is for another name")
    assert len(receiver.received) == 1


async def test_the_certificate_is_checked_through_the_proxy_of_the_installation(
    sending: Sending, authority: trustme.CA, ca_file: Path, names: Names
) -> None:
    names.set(HOST, "8.8.8.8")  # what the guard sees; the proxy goes where it likes
    names.set("other.test", "8.8.4.4")
    context = context_of(authority.issue_cert(HOST))
    async with (
        listening(answering(answer(200, b"by tunnel")), name=HOST, tls=context) as receiver,
        listening(tunnelling_to(receiver.port)) as proxy,
        sending("10.9.8.7", ca_file=ca_file, proxy=proxy.url) as sender,
    ):
        for _ in range(2):
            got = await sender.send(request(receiver.url))
            assert (got.failure, got.text, got.address) == (None, "by tunnel", None)
        wrong = await sender.send(request(receiver.url.replace(HOST, "other.test")))
    assert (wrong.failure, wrong.told) == (Failure.TLS, "the certificate of the receiver is for another name")
    assert len(receiver.received) == 2
    assert [received.line.split()[0] for received in proxy.received] == ["CONNECT", "CONNECT"]


def yesterday() -> datetime:
    return datetime.now(UTC) - timedelta(days=1)


def expired(authority: trustme.CA) -> ssl.SSLContext:
    return context_of(authority.issue_cert(HOST, not_before=yesterday() - timedelta(days=30), not_after=yesterday()))


def of_the_future(authority: trustme.CA) -> ssl.SSLContext:
    return context_of(authority.issue_cert(HOST, not_before=yesterday() + timedelta(days=30)))


def of_a_stranger(_: trustme.CA) -> ssl.SSLContext:
    return context_of(trustme.CA().issue_cert(HOST))


def self_signed(_: trustme.CA) -> ssl.SSLContext:
    own = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with own.cert_pem.tempfile() as certificate, own.private_key_pem.tempfile() as key:
        context.load_cert_chain(certificate, key)
    return context


def for_an_address(authority: trustme.CA) -> ssl.SSLContext:
    return context_of(authority.issue_cert("10.0.0.1"))


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (expired, "has expired"),
        (of_the_future, "not valid yet"),
        (of_a_stranger, "unknown authority"),
        (self_signed, "is self-signed"),
        (for_an_address, "for another name"),
    ],
)
async def test_a_certificate_that_is_not_right_is_told_by_its_fault(
    sending: Sending,
    authority: trustme.CA,
    ca_file: Path,
    made: Callable[[trustme.CA], ssl.SSLContext],
    told: str,
) -> None:
    context = made(authority)
    async with sending(ca_file=ca_file) as sender, listening(answering(answer()), name=HOST, tls=context) as receiver:
        got = await sender.send(request(receiver.url))
    assert got.failure is Failure.TLS
    assert told in got.told
    assert HOST not in got.told
    assert receiver.received == []


async def test_without_the_installations_file_its_authority_is_a_stranger(
    sending: Sending, authority: trustme.CA
) -> None:
    context = context_of(authority.issue_cert(HOST))
    async with sending() as sender, listening(answering(answer()), name=HOST, tls=context) as receiver:
        assert (await sender.send(request(receiver.url))).failure is Failure.TLS
    assert receiver.received == []


@pytest.mark.parametrize("words", [ALERT, HELLO_OF_TLS_1_0, HELLO_OF_TLS_1_0.replace(b"\x03\x01", b"\x03\x02")])
async def test_a_receiver_with_an_old_version_only_is_told(sending: Sending, words: bytes) -> None:
    async def old(visit: Visit) -> None:
        await visit.reader.read(1)
        await visit.send(words)
        await visit.reader.read()

    async with sending() as sender, listening(old, name=HOST) as receiver:
        got = await sender.send(request(receiver.url.replace("http:", "https:")))
    assert got.failure is Failure.TLS
    assert "too old" in got.told


async def test_a_port_without_tls_is_told(sending: Sending) -> None:
    async def plain(visit: Visit) -> None:
        await visit.reader.read(1)
        await visit.send(answer(400))

    async with sending() as sender, listening(plain, name=HOST) as receiver:
        got = await sender.send(request(receiver.url.replace("http:", "https:")))
    assert (got.failure, got.told) == (Failure.TLS, "the receiver does not speak TLS at this port")


async def test_a_receiver_that_hangs_in_the_handshake_ends_in_time(sending: Sending) -> None:
    async def silent(visit: Visit) -> None:
        await visit.reader.read()

    async with sending() as sender, listening(silent, name=HOST) as receiver:
        hanging = Request(receiver.url.replace("http:", "https:"), b"{}", {}, timeout_s=0.3)
        got = await sender.send(hanging)
    assert (got.failure, got.told) == (Failure.TIMEOUT, "no connection in time")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_we_prove_ourselves_with_the_certificate_of_the_endpoint(
    sending: Sending, authority: trustme.CA, ca_file: Path, version: ssl.TLSVersion
) -> None:
    seen: list[str] = []

    async def who(visit: Visit) -> None:
        while True:
            await visit.request()
            subject = dict(part[0] for part in visit.writer.get_extra_info("peercert")["subject"])
            seen.append(subject["commonName"])
            await visit.send(answer())

    context = context_of(authority.issue_cert(HOST))
    context.minimum_version = context.maximum_version = version
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    mine, theirs, strange = (
        client_certificate(authority.issue_cert("a.example.com", common_name="mine")),
        client_certificate(authority.issue_cert("b.example.com", common_name="theirs")),
        client_certificate(trustme.CA().issue_cert("c.example.com")),
    )
    async with sending(ca_file=ca_file) as sender, listening(who, name=HOST, tls=context) as receiver:
        for certificate in (mine, theirs, mine, theirs):
            assert (await sender.send(request(receiver.url), certificate)).failure is None
        assert receiver.connections == 2  # none is used with the certificate of another
        for certificate in (None, strange):
            got = await sender.send(request(receiver.url), certificate)
            assert got.failure in (Failure.TLS, Failure.CONNECT)
    assert seen == ["mine", "theirs", "mine", "theirs"]


async def test_a_client_certificate_does_not_weaken_the_check_of_the_receiver(
    sending: Sending, authority: trustme.CA
) -> None:
    mine = client_certificate(authority.issue_cert("a.example.com"))
    context = context_of(authority.issue_cert(HOST))
    async with sending() as sender, listening(answering(answer()), name=HOST, tls=context) as receiver:
        assert (await sender.send(request(receiver.url), mine)).failure is Failure.TLS
        blocked = await sender.send(request(f"https://127.0.0.2:{receiver.port}/"), mine)
    assert blocked.failure is Failure.BLOCKED
    assert receiver.received == []


async def test_a_client_certificate_that_cannot_be_used_is_told_and_refused_at_registration(
    sending: Sending, authority: trustme.CA
) -> None:
    one, other = (client_certificate(authority.issue_cert(name)) for name in ("a.example.com", "b.example.com"))
    mixed = ClientCertificate(one.certificate, other.private_key)
    await tls.check(one)
    async with sending() as sender, listening(closing_after(answer())) as receiver:
        for wrong in (mixed, ClientCertificate("", ""), ClientCertificate("x", "\x00"), ClientCertificate("ä", "ö")):
            with pytest.raises(InvalidInput, match="in PEM"):
                await tls.check(wrong)
            got = await sender.send(request(receiver.url), wrong)
            assert got.failure is Failure.TLS
            assert "PEM" in got.told
    assert receiver.connections == 0


def mode_of(path: str) -> int:
    return Path(path).stat().st_mode & 0o777


def has_entries(directory: Path) -> bool:
    return any(directory.iterdir())


async def test_the_key_leaves_no_file(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    modes: list[int] = []
    load = ssl.SSLContext.load_cert_chain

    def looking(self: ssl.SSLContext, certfile: str, **named: object) -> None:
        modes.append(mode_of(certfile))
        load(self, certfile, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", looking)
    await tls.check(client_certificate(authority.issue_cert("a.example.com")))
    assert modes == [0o600]
    assert not has_entries(tmp_path)


async def test_contexts_are_kept_up_to_a_bound(authority: trustme.CA) -> None:
    contexts = tls.Contexts(None, most=2)
    one, two, three = (client_certificate(authority.issue_cert(f"{name}.example.com")) for name in "abc")
    first, second = await contexts.of(one), await contexts.of(two)
    assert await contexts.of(one) is first
    await contexts.of(three)  # the second goes: it was not used for the longest time
    assert await contexts.of(one) is first
    assert await contexts.of(two) is not second
    assert await contexts.of(None) is await contexts.of(None)


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_a_file_of_authorities_that_cannot_be_read_is_told_to_the_operator(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(Misconfigured, match="certificate authorities"):
        tls.Contexts(path)
