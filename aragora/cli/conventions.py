"""What the commands share: their options, their exit codes, and which error has which exit code."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from aragora import errors
from aragora.config.legacy import DATA_DIR, HOST, HTTP_PORT

DEFAULT_URL: Final = f"http://{HOST}:{HTTP_PORT}"

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
AWAY: Final = 3
UNPROVEN: Final = 4
INTERRUPTED: Final = 130

Url = Annotated[str, typer.Option("--url", help="The server to talk to.", metavar="URL")]
Token = Annotated[
    str | None,
    typer.Option("--token", envvar="ARAGORA_API_TOKEN", help="API token or key.", show_default=False, metavar="TOKEN"),
]
DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help=f"As the server has it; unset: ARAGORA_DATA_DIR, or {DATA_DIR}.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
DebateId = Annotated[str, typer.Argument(help="The debate, e.g. deb_0197...")]


def code_of(error: errors.AragoraError) -> int:
    """The exit code that tells a script what kind of error stopped the command."""
    match error:
        case errors.Unavailable() | errors.RateLimited() | errors.Fenced():
            return AWAY
        case errors.InvalidInput() | errors.Misconfigured() | errors.Unauthenticated() | errors.Forbidden():
            return USAGE
        case _:
            return FAILED
