"""`aragora verify FILE`: check a receipt on this machine, without a server and without trusting one.

What is checked: the hash is that of the content, the key's name is that of the key, the signature is the key's over
the hash. Whose key it is, the receipt cannot prove: name the key you were told with --key.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from aragora import encoding
from aragora.cli.exits import DONE, FAILED
from aragora.cli.options import AsJson
from aragora.cli.rendering.terminal import print_json, terminal
from aragora.cli.rendering.verification import print_verification
from aragora.errors import InvalidInput
from aragora.receipts.canonical import NotCanonical, canonical, digest
from aragora.receipts.signing import is_public_key, key_id_of, signature_holds

SEALS: Final = frozenset({"hash", "signature"})  # what is made over the rest of the document


def verify(
    file: Annotated[str, typer.Argument(help="The receipt as JSON; - reads standard input.")],
    *,
    key: Annotated[
        str | None, typer.Option("--key", help="Public key (64 hex digits) that must have signed it.", metavar="HEX")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check a receipt: content, key and signature. Exit code 1 where it is not valid."""
    if key is not None and not is_public_key(key):
        raise InvalidInput("--key is a public key of 64 lower-case hex digits.")
    checks = list(checks_of(read(file), key))
    verification = {"valid": all(check["passed"] for check in checks), "checks": checks}
    if as_json:
        print_json(verification)
    else:
        print_verification(terminal(), verification)
    raise typer.Exit(DONE if verification["valid"] else FAILED)


def read(file: str) -> Mapping[str, Any]:
    """The receipt in `file`. Raises InvalidInput where there is none."""
    try:
        document = encoding.decode(sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes())
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{file} is not JSON: {error}.") from error
    if not isinstance(document, dict) or not document.keys() >= SEALS:
        raise InvalidInput(f"{file} is not a receipt; get one from /api/debates/ID/receipt.")
    return document


def checks_of(document: Mapping[str, Any], expected_key: str | None) -> Iterator[dict[str, Any]]:
    """Each check of a receipt as {name, passed, detail}."""
    claimed, key = str(document["hash"]), str(document.get("public_key"))
    try:
        computed = digest(canonical({name: value for name, value in document.items() if name not in SEALS}))
        yield {"name": "content", "passed": computed == claimed, "detail": f"SHA-256 {computed}"}
    except NotCanonical as error:
        yield {"name": "content", "passed": False, "detail": str(error)}
    named = is_public_key(key) and key_id_of(key) == document.get("key_id")
    yield {"name": "key id", "passed": named, "detail": str(document.get("key_id"))}
    signed = signature_holds(key, claimed, str(document["signature"]))
    yield {"name": "signature", "passed": signed, "detail": f"Ed25519, key {key}"}
    if expected_key is not None:
        yield {"name": "expected key", "passed": key == expected_key, "detail": expected_key}
