"""`python -m aragora.migrations.status`: every migration, applied or pending. Changes nothing."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence

from aragora.config.settings import Settings
from aragora.migrations import parser_of, run
from aragora.migrations.history import apply_command, standing


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(parser_of("status", "List every migration, applied or pending. Changes nothing."), command, arguments)


async def command(settings: Settings, _options: Namespace) -> str:
    """A line per migration, one per context whose newest one this program does not know, and a summary."""
    found = await standing(settings)
    lines = [f"applied  {revision}" for revision in found.applied]
    lines += [f"pending  {revision}" for revision in found.pending]
    lines += [f"ahead    {revision}" for revision in found.ahead]
    summary = f"{len(found.applied)} applied, {len(found.pending)} pending"
    if found.pending:
        summary += f": run `{apply_command(settings)}`"
    return "\n".join([*lines, summary])


if __name__ == "__main__":
    sys.exit(main())
