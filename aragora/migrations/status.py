"""`python -m aragora.migrations.status`: every migration, applied or pending. Changes nothing."""

from __future__ import annotations

from aragora.config.settings import Settings
from aragora.migrations import run
from aragora.migrations.history import standing


async def command(settings: Settings) -> str:
    """A line per migration and a summary."""
    found = await standing(settings)
    lines = [f"applied  {revision}" for revision in found.applied]
    lines += [f"pending  {revision}" for revision in found.pending]
    summary = f"{len(found.applied)} applied, {len(found.pending)} pending"
    if found.pending:
        summary += ": run `python -m aragora.migrations.apply`"
    return "\n".join([*lines, summary])


if __name__ == "__main__":
    run(command)
