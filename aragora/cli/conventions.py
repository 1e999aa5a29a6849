"""What the commands share: their options, their exit codes, and which error has which exit code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import typer

from aragora import errors
from aragora.config.legacy import DATA_DIR, HOST, HTTP_PORT
from aragora.ids import could_be_id

DEFAULT_URL: Final = f"http://{HOST}:{HTTP_PORT}"

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
AWAY: Final = 3
UNPROVEN: Final = 4

_ORGANISATION: Final = re.compile("[A-Za-z0-9._:@-]{1,128}")  # as in X-Org-ID


def server_url(value: str) -> str:
    """The address of a server, without a slash at its end. Raises InvalidInput."""
    try:
        parts = urlsplit(value)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets that do not close, a port that is no number
        sound = False
    if not sound:
        raise errors.InvalidInput(f"--url {value!r} is no address of a server; it looks like {DEFAULT_URL}.")
    return value.rstrip("/")


def credential(value: str | None) -> str | None:
    """A token as it goes into a header; from a file or a variable it may have a line end. Raises InvalidInput, which
    does not repeat it."""
    stripped = None if value is None else value.strip()
    if stripped is not None and not stripped.isprintable():
        raise errors.InvalidInput("The token (--token or ARAGORA_API_TOKEN) holds characters that no token has.")
    return stripped


def debate_id(value: str) -> str:
    """The id of a debate, which becomes a part of a path. Raises InvalidInput."""
    if not value.startswith("deb_") or not could_be_id(value):
        raise errors.InvalidInput(f"{value!r} is no debate's id; 'aragora debates' lists them.")
    return value


def organisation(value: str | None) -> str | None:
    """The id of an organisation. Raises InvalidInput."""
    if value is not None and not _ORGANISATION.fullmatch(value):
        raise errors.InvalidInput(f"{value!r} is no organisation's id: it has letters, digits and . _ : @ -.")
    return value


Url = Annotated[str, typer.Option("--url", help="The server to talk to.", metavar="URL", callback=server_url)]
Token = Annotated[
    str | None,
    typer.Option(
        "--token",
        envvar="ARAGORA_API_TOKEN",
        help="API token or key.",
        show_default=False,
        metavar="TOKEN",
        callback=credential,
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help=f"Databases and keys of the server; unset: ARAGORA_DATA_DIR, or {DATA_DIR}."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
DebateId = Annotated[str, typer.Argument(help="The debate, e.g. deb_0197...", callback=debate_id)]


def code_of(error: errors.AragoraError) -> int:
    """The exit code that tells a script what kind of error stopped the command."""
    match error:
        case errors.Unavailable() | errors.RateLimited() | errors.Fenced():
            return AWAY
        case errors.InvalidInput() | errors.Misconfigured() | errors.Unauthenticated() | errors.Forbidden():
            return USAGE
        case _:
            return FAILED
