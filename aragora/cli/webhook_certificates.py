"""The options of a client certificate: two files in PEM, read here, and checked by the server. A key is no argument,
and no error repeats it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, TypeAlias

import typer

from aragora.errors import InvalidInput

FILE_MAX_CHARS: Final = 65_536

ClientCert: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--client-cert",
        help="PEM file of the certificate that the receiver gets to see (mutual TLS), its chain after it.",
        metavar="FILE",
    ),
]
ClientKey: TypeAlias = Annotated[
    Path | None, typer.Option("--client-key", help="PEM file of its private key, without a password.", metavar="FILE")
]


def client_certificate(certificate: Path | None, key: Path | None) -> dict[str, object]:
    """What is sent of the two files; nothing where neither is given. Raises InvalidInput."""
    if certificate is None and key is None:
        return {}
    if certificate is None or key is None:
        raise InvalidInput("--client-cert and --client-key belong together: give both, or neither.")
    return {"client_certificate": {"certificate": _text(certificate), "private_key": _text(key)}}


def _text(file: Path) -> str:
    """Raises InvalidInput, which does not repeat what the file holds."""
    try:
        with file.open(encoding="ascii", errors="strict") as opened:
            text = opened.read(FILE_MAX_CHARS + 1)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no PEM"
        raise InvalidInput(f"{str(file)!r} cannot be read ({why}).") from None
    if len(text) > FILE_MAX_CHARS:
        raise InvalidInput(f"{str(file)!r} has over {FILE_MAX_CHARS:,} characters: give the PEM of one, and no more.")
    return text
