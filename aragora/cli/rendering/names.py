"""An agent's name, in the same colour wherever it stands."""

from __future__ import annotations

from typing import Final

from rich.text import Text

from aragora.cli.rendering.terminal import say

COLOURS: Final = ("cyan", "magenta", "green", "yellow", "blue", "bright_red")


def who(agent: str) -> Text:
    """`agent`, coloured by its name alone."""
    return say(agent, f"bold {COLOURS[sum(agent.encode()) % len(COLOURS)]}")
