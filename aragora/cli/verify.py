"""`aragora verify FILE`: check a receipt on this machine, without a server and without trusting one.

A receipt cannot prove whose key signed it: give the key that you know with --key.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from aragora import encoding
from aragora.cli.conventions import DONE, FAILED, AsJson
from aragora.cli.rendering.tables import print_verification
from aragora.cli.rendering.terminal import print_json, terminal
from aragora.errors import InvalidInput
from aragora.receipts import verifying
from aragora.receipts.signing import is_public_key
from aragora.receipts.verifying import SEALS


def verify(
    file: Annotated[str, typer.Argument(help="The receipt as JSON; - reads standard input.")],
    *,
    key: Annotated[
        str | None, typer.Option("--key", help="Public key (64 hex digits) that must have signed it.", metavar="HEX")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check a receipt: structure, hash, key and signature. Exit code 1 where it is not valid."""
    if key is not None and not is_public_key(key):
        raise InvalidInput("--key is a public key of 64 lower-case hex digits.")
    valid, checks = verifying.verify(read(file), None if key is None else (key,))
    verification = {"valid": valid, "checks": checks}
    if as_json:
        print_json(verification)
    else:
        print_verification(terminal(), verification)
    raise typer.Exit(DONE if valid else FAILED)


def read(file: str) -> Mapping[str, Any]:
    """The receipt in `file`. Raises InvalidInput where the file is no receipt or cannot be read."""
    try:
        document = encoding.decode(sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes())
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{file} is not JSON: {error}.") from error
    if not isinstance(document, dict) or not document.keys() >= SEALS:
        raise InvalidInput(f"{file} is not a receipt; get one from /api/debates/ID/receipt.")
    return document
