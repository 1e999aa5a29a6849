"""TLS towards receivers: which of their certificates we accept, and with which we prove ourselves."""

from __future__ import annotations

import asyncio
import ssl
import tempfile
from collections import OrderedDict
from pathlib import Path
from typing import Final

from aragora.errors import InvalidInput, Misconfigured
from aragora.webhooks.endpoint import ClientCertificate

MAX_CONTEXTS: Final = 64


class Contexts:
    """One context of TLS for each client certificate, and one for all receivers without. There is no way to accept a
    certificate that cannot be checked.

    Args:
        ca_file: certificates in PEM of authorities that are trusted besides those of the system. It is read now.

    Raises Misconfigured where `ca_file` cannot be read.
    """

    def __init__(self, ca_file: Path | None, *, most: int = MAX_CONTEXTS) -> None:
        self._ca_file = ca_file
        self._most = most
        self._plain = self._made()
        self._of: OrderedDict[ClientCertificate, ssl.SSLContext] = OrderedDict()

    async def of(self, certificate: ClientCertificate | None) -> ssl.SSLContext:
        """The context for one connection. Raises InvalidInput where the certificate or its key cannot be used."""
        if certificate is None:
            return self._plain
        context = self._of.get(certificate)
        if context is None:
            context = await asyncio.to_thread(self._with, certificate)
            self._of[certificate] = context
            while len(self._of) > self._most:
                self._of.popitem(last=False)
        else:
            self._of.move_to_end(certificate)
        return context

    def _made(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        if self._ca_file is not None:
            try:
                context.load_verify_locations(self._ca_file)
            except (OSError, ssl.SSLError):
                raise Misconfigured(
                    f"the file of certificate authorities for webhooks, {self._ca_file}, cannot be read: "
                    "give one with certificates in PEM"
                ) from None
        return context

    def _with(self, certificate: ClientCertificate) -> ssl.SSLContext:
        context = self._made()
        _load(context, certificate)
        return context


async def check(certificate: ClientCertificate) -> None:
    """Whether a client certificate can be used. Raises InvalidInput."""
    await asyncio.to_thread(_load, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), certificate)


def _load(context: ssl.SSLContext, certificate: ClientCertificate) -> None:
    # OpenSSL's interface in Python reads keys from files only. This one is its owner's alone, and gone at once.
    with tempfile.NamedTemporaryFile(prefix="aragora-", suffix=".pem") as file:
        file.write(f"{certificate.private_key.strip()}\n{certificate.certificate.strip()}\n".encode())
        file.flush()
        try:
            context.load_cert_chain(file.name, password=_no_password)
        except (ssl.SSLError, ValueError):
            raise InvalidInput(
                "the client certificate cannot be used: give a certificate and its own key in PEM, the key without a password"
            ) from None


def _no_password() -> str:
    """Without this OpenSSL would ask at the terminal."""
    return ""
