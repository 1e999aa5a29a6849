"""The `aragora` command. Only the module of the command called is imported, so that `--help` takes no time.

Exit codes: 0 done; 1 the debate failed or was cancelled, a receipt is not valid; 2 wrong usage or configuration, the
doctor found a fault; 3 the server or the store cannot be reached or takes no work; 4 a receipt is unchanged, but the
key that signed it is not known; 130 interrupted.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import typer

from aragora import __version__, errors
from aragora.cli.conventions import USAGE, code_of
from aragora.encoding import NotEncodable
from aragora.private_files import make_files_private
from aragora.typed_commands import INTERRUPTED

EPILOG: Final = "Exit codes: 0 done, 1 failed or not valid, 2 usage or configuration, 3 server away, 4 signer unknown, 130 interrupted."


@dataclass(frozen=True, slots=True)
class Command:
    """Where a command lives (module:function) and what the list of commands says about it."""

    target: str
    help: str


COMMANDS: Final[dict[str, Command]] = {
    "serve": Command("aragora.cli.serve:serve", "Start the server (HTTP and WebSocket)."),
    "ask": Command("aragora.cli.ask:ask", "Ask a question and watch the debate."),
    "debates": Command("aragora.cli.debates:debates", "List debates, newest first."),
    "show": Command("aragora.cli.debates:show", "Show a debate: decision, votes, dissent, receipt."),
    "replay": Command("aragora.cli.debates:replay", "Replay a debate from its journal."),
    "agents": Command("aragora.cli.agents:agents", "List the agents, their health and ratings."),
    "verify": Command("aragora.cli.verify:verify", "Check a receipt."),
    "budget": Command("aragora.cli.budget:budget", "Show what this month has cost, or set an organisation's budget."),
    "users": Command("aragora.cli.users:users", "List, make, disable and change accounts, on the server's machine."),
    "doctor": Command("aragora.cli.doctor:doctor", "Say what is configured, reachable and wrong, and how to mend it."),
    "demo": Command("aragora.cli.demo:demo", "Debate a question on the embedded model, in a server of its own."),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    make_files_private()
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return int(build(arguments)(args=arguments, prog_name="aragora", standalone_mode=True) or 0)
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else int(done.code is not None)
    except errors.AragoraError as error:
        sys.stderr.write(f"aragora: {error.message}\n")
        return code_of(error)
    except NotEncodable as wrong:  # an argument that is no UTF-8
        sys.stderr.write(f"aragora: what was typed cannot be sent: {wrong}\n")
        return USAGE
    except KeyboardInterrupt:
        return INTERRUPTED


def build(arguments: Sequence[str]) -> typer.Typer:
    """The application, with the command named in `arguments` loaded and the others known by name only."""
    app = typer.Typer(
        callback=overview,
        invoke_without_command=False,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        epilog=EPILOG,
    )
    called = next((argument for argument in arguments if not argument.startswith("-")), None)
    for name, command in COMMANDS.items():
        function = load(command.target) if name == called else listed
        if isinstance(function, typer.Typer):
            app.add_typer(function, name=name)
        else:
            app.command(name, help=None if name == called else command.help)(function)
    return app


def load(target: str) -> Callable[..., Any] | typer.Typer:
    """The function that `module:function` names, or a group of commands."""
    module, _, function = target.partition(":")
    loaded: Callable[..., Any] | typer.Typer = getattr(importlib.import_module(module), function)
    return loaded


def listed() -> None:
    """Stands in for a command that is not called in this process."""


def version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"aragora {__version__}\n")
        raise typer.Exit


def overview(
    *,
    _version: bool = typer.Option(
        False, "--version", callback=version, is_eager=True, help="Print the version and exit."
    ),
) -> None:
    """Aragora settles questions by debate: agents argue, criticise, revise and vote; a signed receipt proves it."""


if __name__ == "__main__":
    sys.exit(main())
