"""The check of a receipt, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from aragora.cli.rendering.tables import checks_table
from aragora.cli.rendering.terminal import say


def print_verification(console: Console, verification: Mapping[str, Any]) -> None:
    """`verification` is {valid, checks: [{name, passed, detail}]}."""
    valid = bool(verification["valid"])
    console.print(
        say("The receipt is valid." if valid else "The receipt is NOT valid.", "green" if valid else "bold red")
    )
    console.print(checks_table(verification.get("checks", ())))
