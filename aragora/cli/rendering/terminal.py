"""The terminal: one console, text made safe to print, and the names of agents in their colours.

Agents' words come from language models and may hold terminal control sequences; `plain` takes them out, and
texts are wrapped in `rich.text.Text`, so that no model writes markup or moves the cursor.
"""

from __future__ import annotations

import sys
from typing import Final

from rich.console import Console
from rich.text import Text

from aragora import encoding

COLOURS: Final = ("cyan", "magenta", "green", "yellow", "blue", "bright_red")
CONTROLS: Final = {code: None for code in (*range(32), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"}


def terminal() -> Console:
    """A console on standard output: colours and width of the terminal, plain text and whole lines in a pipe or file."""
    console = Console(highlight=False)
    console.soft_wrap = not console.is_terminal
    return console


def plain(text: str) -> str:
    """`text` without control characters other than line breaks and tabs."""
    return text.translate(CONTROLS)


def say(text: str, style: str = "") -> Text:
    """`text` as rich prints it: safe, and never read as markup."""
    return Text(plain(text), style=style)


def who(agent: str) -> Text:
    """The name of an agent, in the same colour wherever it stands."""
    return say(agent, f"bold {COLOURS[sum(agent.encode()) % len(COLOURS)]}")


def print_json(value: object) -> None:
    """One JSON document on standard output, for scripts."""
    sys.stdout.write(encoding.encode_text(value) + "\n")
