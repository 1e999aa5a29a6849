"""The terminal: one console, text made safe to print, and the names of agents in their colours.

Agents' words come from language models: they are made `plain` and wrapped in `rich.text.Text`, so that no model writes
markup or moves the cursor.
"""

from __future__ import annotations

import io
import sys
from typing import Final

from rich.console import Console
from rich.text import Text

from aragora import encoding
from aragora.cli.rendering.plain import plain

COLOURS: Final = ("cyan", "magenta", "green", "yellow", "blue", "bright_red")


def terminal() -> Console:
    """A console on standard output: colours and width of the terminal, plain text and whole lines in a pipe or file."""
    console = Console(highlight=False)
    console.soft_wrap = not console.is_terminal
    return console


def say(text: str, style: str = "") -> Text:
    """`text` as rich prints it: safe, and never read as markup."""
    return Text(plain(text), style=style)


def who(agent: str) -> Text:
    """The name of an agent, in the same colour wherever it stands."""
    return say(agent, f"bold {COLOURS[sum(agent.encode()) % len(COLOURS)]}")


def print_json(value: object) -> None:
    """One JSON document on standard output, for scripts."""
    print_json_text(encoding.encode_text(value))


def print_json_text(text: str) -> None:
    """JSON as it is, on a line of standard output: in UTF-8, whatever the terminal uses, and at once."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
