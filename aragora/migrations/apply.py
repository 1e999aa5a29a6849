"""`python -m aragora.migrations.apply`: bring the store to the schema of this program."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence

from aragora.config.settings import Settings
from aragora.migrations import parser_of, run
from aragora.migrations.applying import apply_all, apply_pending
from aragora.migrations.history import standing

__all__ = ["apply_all", "apply_pending", "command", "main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    parser = parser_of("apply", "Bring the store to the schema of this program.")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be applied")
    return run(parser, command, arguments)


async def command(settings: Settings, options: Namespace) -> str:
    """Apply what is pending and say what it was."""
    if options.dry_run:
        pending = (await standing(settings)).pending
        return (
            "\n".join(f"would apply {revision}" for revision in pending) or "nothing to apply: the store is up to date"
        )
    applied = await apply_pending(settings)
    return "\n".join(f"applied {revision}" for revision in applied) or "nothing to apply: the store is up to date"


if __name__ == "__main__":
    sys.exit(main())
