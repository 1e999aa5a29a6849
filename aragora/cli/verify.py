"""`aragora verify FILE|ID`: check a receipt on this machine, without trusting a server. One in a file needs none; that
of a debate or an execution is fetched from the server at --url.

A receipt cannot prove whose key signed it, so it is accepted only where the key is known: the one given with --key, or
one that the data directory of this machine has signed with. `--any-key` accepts whichever key it was.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from aragora.cli.conventions import (
    DEFAULT_URL,
    DONE,
    FAILED,
    UNPROVEN,
    AsJson,
    Token,
    Url,
    names_debate,
    names_execution,
)
from aragora.cli.rendering.execution_receipts import execution_lines
from aragora.cli.rendering.tables import print_verification
from aragora.cli.rendering.terminal import print_json, terminal
from aragora.client import AragoraClient
from aragora.config.legacy import DATA_DIR
from aragora.errors import InvalidInput
from aragora.receipts import verifying
from aragora.receipts.receipt import EXECUTION
from aragora.receipts.signing import is_public_key, trusted_keys
from aragora.receipts.verifying import SEALS, NotAReceipt


def verify(
    receipt: Annotated[
        str,
        typer.Argument(
            help="The receipt as a JSON file, - for standard input, or the id of its debate (its beginning is enough) or "
            "execution.",
            metavar="FILE|ID",
        ),
    ],
    *,
    key: Annotated[
        str | None, typer.Option("--key", help="Public key (64 hex digits) that must have signed it.", metavar="HEX")
    ] = None,
    journal: Annotated[
        Path | None,
        typer.Option(
            "--journal", help="Its exported events, one a line: are they those it covers?", metavar="FILE", exists=True
        ),
    ] = None,
    any_key: Annotated[bool, typer.Option("--any-key", help="Accept whichever key signed it.")] = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Check a receipt: structure, hash, key and signature. Exit code 1 where it is not valid, 4 where it was not
    changed but nobody here knows the key that signed it."""
    if key is not None and not is_public_key(key):
        raise InvalidInput("--key is a public key of 64 lower-case hex digits.")
    document = _found(receipt, url, token)
    valid, checks = _checked(document, None if key is None else (key,), journal)
    known = key is not None or any_key or (valid and document["public_key"] in own_keys())
    verification = {"valid": valid, "signer_known": known, "checks": checks}
    if as_json:
        print_json(verification)
    else:
        print_verification(terminal(), verification)
        if valid and document["schema"] == EXECUTION:
            terminal().print(*execution_lines(document), sep="\n")
    raise typer.Exit(FAILED if not valid else DONE if known else UNPROVEN)


def _found(named: str, url: str, token: str | None) -> dict[str, Any]:
    """The receipt in the file of that name, or else the one of that debate or execution."""
    if not os.path.lexists(named):
        if names_execution(named):
            return asyncio.run(fetched_of_execution(url, token, named))
        if names_debate(named):
            return asyncio.run(fetched(url, token, named))
    return read(named)


def _checked(
    document: dict[str, Any], keys: tuple[str, ...] | None, journal: Path | None
) -> tuple[bool, list[verifying.Check]]:
    if journal is None:
        return verifying.verify(document, keys)
    try:
        with journal.open("rb") as lines:
            return verifying.verify(document, keys, lines)
    except OSError as error:
        raise InvalidInput(f"{journal} cannot be read: {error.strerror}.") from error


def read(file: str) -> dict[str, Any]:
    """The receipt in `file`. Raises InvalidInput where the file is no receipt or cannot be read."""
    try:
        return _document(_content(file), file)
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror}.") from error


async def fetched(url: str, token: str | None, named: str) -> dict[str, Any]:
    """The receipt of a debate. Raises NotFound, AmbiguousId, and InvalidInput where the server gives another one."""
    async with AragoraClient(url, token=token) as client:
        debate_id = (await client.debate(named))["debate_id"]
        document = _document(await client.document(f"/api/debates/{debate_id}/receipt"), f"What {url} answered")
    if document.get("debate_id") != debate_id:
        raise InvalidInput(f"What {url} answered is not the receipt of {debate_id}, but that of another debate.")
    return document


async def fetched_of_execution(url: str, token: str | None, execution_id: str) -> dict[str, Any]:
    """The receipt of the last end of an execution. Raises NotFound, also where it has none yet, and InvalidInput where
    the server gives another one."""
    async with AragoraClient(url, token=token) as client:
        raw = await client.document(f"/api/workflow-executions/{execution_id}/receipt")
    document = _document(raw, f"What {url} answered")
    if document.get("execution_id") != execution_id:
        raise InvalidInput(f"What {url} answered is not the receipt of {execution_id}, but another one.")
    return document


def _document(raw: bytes, name: str) -> dict[str, Any]:
    try:
        document = verifying.parse(raw)
    except NotAReceipt as error:
        raise InvalidInput(f"{name} is not a receipt: {error}.") from error
    if not isinstance(document, dict) or not document.keys() >= SEALS:
        raise InvalidInput(f"{name} is not a receipt; 'aragora verify ID' checks that of a debate or an execution.")
    return document


def _content(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read(verifying.TEXT_CAP + 1)
    with Path(file).open("rb") as opened:
        return opened.read(verifying.TEXT_CAP + 1)


def own_keys() -> frozenset[str]:
    """The public keys that this machine's settings and data directory know: those of an installation that is here."""
    told = os.environ.get
    earlier = (key.strip().lower() for key in told("ARAGORA_RECEIPT_TRUSTED_KEYS", "").split(","))
    return trusted_keys(Path(told("ARAGORA_DATA_DIR") or DATA_DIR), told("ARAGORA_RECEIPT_SIGNING_KEY"), earlier)
