"""The `aragora` command. Only the module of the command called is imported, so that `--help` takes no time.

Exit codes: 0 done; 1 the debate or the execution failed or was cancelled, a receipt is not valid, a test of a webhook
did not arrive; 2 wrong usage or configuration, the doctor found a fault; 3 the server or the store cannot be reached or
takes no work; 4 a receipt is unchanged, but the key that signed it is not known; 5 what is watched has not ended within
the time given; 130 interrupted.
"""

from __future__ import annotations

import importlib
import io
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import typer

from aragora import __version__, errors
from aragora.cli.conventions import code_of
from aragora.cli.rendering.plain import plain
from aragora.private_files import make_files_private
from aragora.typed_commands import INTERRUPTED, code_of_unwritten, open_closed_streams

EPILOG: Final = (
    "Exit codes: 0 done, 1 failed or not valid, 2 usage or configuration, 3 server away, 4 signer unknown, 5 not ended in "
    "time, 130 interrupted."
)


_NOT_UTF_8: Final = re.compile("[\ud800-\udfff]")  # how Python gives a byte that is no UTF-8
_OPTION: Final = re.compile("--?[a-z][a-z-]*")


@dataclass(frozen=True, slots=True)
class Command:
    """Where a command lives (module:function) and what the list of commands says about it."""

    target: str
    help: str


COMMANDS: Final[dict[str, Command]] = {
    "serve": Command("aragora.cli.serve:serve", "Start the server (HTTP and WebSocket)."),
    "ask": Command("aragora.cli.ask:ask", "Ask a question and watch the debate."),
    "decide": Command("aragora.cli.decide:decide", "Settle a question by the server's rules, or as decided before."),
    "debates": Command("aragora.cli.debates:debates", "List debates, newest first."),
    "show": Command("aragora.cli.debates:show", "Show a debate: decision, votes, dissent, receipt."),
    "replay": Command("aragora.cli.debates:replay", "Replay a debate from its journal."),
    "sign": Command("aragora.cli.sign:sign", "Approve, change or veto a proposed decision."),
    "outcome": Command("aragora.cli.outcome:outcome", "Say which answer of a debate held, or show what was told."),
    "agents": Command("aragora.cli.agents:agents", "List the agents, their health and ratings."),
    "verify": Command("aragora.cli.verify:verify", "Check a receipt, in a file, of a debate or an execution."),
    "budget": Command("aragora.cli.budget:budget", "Show what this month has cost, or set what it may cost."),
    "users": Command("aragora.cli.users:users", "List, make and change accounts, on the server's machine."),
    "webhooks": Command("aragora.cli.webhooks:webhooks", "List, add, test and mend webhooks, or receive them here."),
    "knowledge": Command(
        "aragora.cli.knowledge:knowledge", "Search, add and forget knowledge, and check its receipts."
    ),
    "approvals": Command("aragora.cli.approvals:approvals", "List, show, approve and reject what workflows ask."),
    "executions": Command("aragora.cli.executions:executions", "Start, watch and steer executions of workflows."),
    "workflows": Command("aragora.cli.workflows:workflows", "List, show, check, make, change and delete workflows."),
    "doctor": Command("aragora.cli.doctor:doctor", "Say what is configured and wrong, and how to fix it."),
    "node": Command("aragora.cli.node:command", "Start and stop this machine's node of a cluster."),
    "cluster": Command("aragora.cli.cluster:command", "Deploy, show, drain and stop the service of a cluster."),
    "demo": Command("aragora.cli.demo:demo", "Debate a question on the embedded model, in its own server."),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    open_closed_streams()
    make_files_private()
    arguments = list(sys.argv[1:] if argv is None else argv)
    take_what_comes()
    try:
        code = run(arguments)
        sys.stdout.flush()
    except OSError as error:
        return code_of_unwritten(error)
    return code


def run(arguments: Sequence[str]) -> int:
    """Run the command that `arguments` name; returns the exit code."""
    try:
        check_encoding(arguments)
        return int(build(arguments)(args=list(arguments), prog_name="aragora", standalone_mode=True) or 0)
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else int(done.code is not None)
    except errors.AragoraError as error:
        sys.stderr.write(f"aragora: {plain(error.message)}\n")
        return code_of(error)
    except KeyboardInterrupt:
        sys.unraisablehook = _unheard
        return INTERRUPTED


def _unheard(_: object) -> None:
    """In place of a traceback at the end: a second Ctrl-C may have left an event loop half closed."""


def take_what_comes() -> None:
    """Let an escape stand for a character that standard output cannot encode, and for a byte of the input that is no
    text: both would end the command. What is read so is refused by whoever checks it."""
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def check_encoding(arguments: Sequence[str]) -> None:
    """Raises InvalidInput for the first argument that is not UTF-8, without repeating it: it may be a secret."""
    for number, argument in enumerate(arguments, start=1):
        wrong = _NOT_UTF_8.search(argument)
        if wrong is not None:
            before = arguments[number - 2] if number > 1 else ""
            option = argument if argument.startswith("-") else before
            named = _OPTION.match(option)
            place = f"argument {number}" + (f" ({named[0]})" if named else "")
            raise errors.InvalidInput(
                f"{place} is not UTF-8: its character {wrong.start() + 1} is the byte 0x{ord(wrong[0]) & 0xFF:02X}. Type "
                "it again in UTF-8 (`locale` says what the terminal uses), or rename the file that it names."
            )


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
