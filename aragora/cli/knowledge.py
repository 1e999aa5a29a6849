"""`aragora knowledge`: what the debates of your organisation have taught, at a running server."""

from __future__ import annotations

from typing import Final

import typer

from aragora.cli.knowledge_forget import forget, forgettings

knowledge: Final = typer.Typer(
    help="Forget what the mound knows, with a certificate.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
knowledge.command()(forget)
knowledge.command()(forgettings)
