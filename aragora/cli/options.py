"""Options that several commands share, declared once."""

from __future__ import annotations

from typing import Annotated, Final

import typer

DEFAULT_URL: Final = "http://127.0.0.1:8080"

Url = Annotated[str, typer.Option("--url", help="The server to talk to.", metavar="URL")]
Token = Annotated[
    str | None,
    typer.Option("--token", envvar="ARAGORA_API_TOKEN", help="API token or key.", show_default=False, metavar="TOKEN"),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
DebateId = Annotated[str, typer.Argument(help="The debate, e.g. deb_0197...")]
