"""What the commands share: their options, their exit codes, and which error has which exit code."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import typer

from aragora import errors, limits
from aragora.cli.rendering.plain import plain
from aragora.config.legacy import DATA_DIR, HOST, HTTP_PORT
from aragora.ids import BEGINNING_MIN_DIGITS, beginning_of_id, could_be_id
from aragora.typed_commands import answer_to

DEFAULT_URL: Final = f"http://{HOST}:{HTTP_PORT}"

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
AWAY: Final = 3
UNPROVEN: Final = 4
UNENDED: Final = 5

EXECUTION: Final = re.compile("exe_[0-9a-f]{32}")
_SECRET_FILE_MAX: Final = 4_096
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


def elsewhere(url: str) -> str:
    """What a command that is printed says of the server at `url`: nothing where that is the usual one."""
    return "" if url == DEFAULT_URL else f" --url {url}"


def credential(value: str | None) -> str | None:
    """A token as it goes into a header; from a file or a variable it may have a line end. Raises InvalidInput, which
    does not repeat it."""
    stripped = None if value is None else value.strip()
    if stripped is not None and not stripped.isprintable():
        raise errors.InvalidInput("The token (--token or ARAGORA_API_TOKEN) holds characters that no token has.")
    return stripped


def names_debate(value: str) -> bool:
    """Whether `value` has the shape of a debate's id or of its beginning."""
    return beginning_of_id("deb", value) is not None or (value.startswith("deb_") and could_be_id(value))


def names_execution(value: str) -> bool:
    """Whether `value` has the shape of an execution's id."""
    return EXECUTION.fullmatch(value) is not None


def debate_id(value: str) -> str:
    """The id of a debate or its beginning, which becomes a part of a path. Raises InvalidInput."""
    if not names_debate(value):
        raise errors.InvalidInput(
            f"{value!r} is no debate's id, and no beginning of one with {BEGINNING_MIN_DIGITS} digits or more; "
            "'aragora debates' lists them."
        )
    return value


def question(value: str) -> str:
    """What to debate. Raises InvalidInput."""
    if not value.strip():
        raise errors.InvalidInput("The question is empty: say what to decide.")
    return value


def texts_of(option: str, value: str) -> tuple[str, ...]:
    """The texts of a comma-separated list; one with a comma in it stands in double quotes. Raises InvalidInput."""
    try:
        (row,) = csv.reader([value], skipinitialspace=True, strict=True)
    except (csv.Error, ValueError):
        raise errors.InvalidInput(f"{option} is no list of texts with commas between them: {value!r}.") from None
    found = tuple(text.strip() for text in row if text.strip())
    if not found:
        raise errors.InvalidInput(f"{option} names nothing: give what it should hold, or leave it out.")
    return found


def named_like(pattern: re.Pattern[str], otherwise: str) -> Callable[[str], str]:
    """The check of a name or an id that becomes a part of a path: gives it back as it is, and raises InvalidInput where
    it is not like the pattern, saying "'...' is no " and `otherwise`."""

    def checked(value: str) -> str:
        if pattern.fullmatch(value) is None:
            raise errors.InvalidInput(f"{value!r} is no {otherwise}")
        return value

    return checked


def organisation(value: str | None) -> str | None:
    """The id of an organisation. Raises InvalidInput."""
    if value is not None and not _ORGANISATION.fullmatch(value):
        raise errors.InvalidInput(f"{value!r} is no organisation's id: it has letters, digits and . _ : @ -.")
    return value


def secret_in(file: Path) -> str:
    """The secret in a file, of which a line end is no part; `-` is standard input. Never an argument: those are in the
    list of processes and the history of the shell. Raises InvalidInput, which does not repeat it."""
    try:
        if file == Path("-"):
            text = sys.stdin.read(_SECRET_FILE_MAX + 1)
        else:
            with file.open(encoding="utf-8", errors="strict") as opened:
                text = opened.read(_SECRET_FILE_MAX + 1)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise errors.InvalidInput(f"The secret cannot be read from {str(file)!r} ({why}).") from None
    secret = text.rstrip("\r\n")
    if not secret or len(text) > _SECRET_FILE_MAX or not secret.isprintable():
        raise errors.InvalidInput(f"{str(file)!r} holds no secret: it must be one line of printable characters.")
    return secret


def require_agreement(question: str, *, yes: bool) -> None:
    """Return where the person agrees, or has done so with --yes. Raises InvalidInput where nobody can be asked, Abort
    where the answer is no."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise errors.InvalidInput("Nobody can be asked here; add --yes.")
    if answer_to(f"{plain(question)} [y/N]").lower() not in ("y", "yes"):
        raise typer.Abort


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
Yes = Annotated[bool, typer.Option("--yes", help="Do it without a question.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
DebateId = Annotated[
    str, typer.Argument(help="The debate: its id, or the beginning of it.", metavar="ID", callback=debate_id)
]
Question = Annotated[str, typer.Argument(help="What to decide.", metavar="QUESTION", callback=question)]
Rounds = typer.Option(min=limits.ROUNDS_MIN, max=limits.ROUNDS_MAX, help="Rounds at most.")


def code_of(error: errors.AragoraError) -> int:
    """The exit code that tells a script what kind of error stopped the command."""
    match error:
        case errors.Unavailable() | errors.RateLimited() | errors.Fenced():
            return AWAY
        case errors.InvalidInput() | errors.Misconfigured() | errors.Unauthenticated() | errors.Forbidden():
            return USAGE
        case _:
            return FAILED
