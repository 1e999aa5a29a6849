"""`python -m aragora.migrations.rollback`: undo the migration that was applied last. What it added is lost."""

from __future__ import annotations

from aragora.config.settings import Settings
from aragora.migrations import run
from aragora.migrations.applying import rollback_last


async def command(settings: Settings) -> str:
    """Undo the last migration and say which it was."""
    undone = await rollback_last(settings)
    return f"rolled back {undone}" if undone else "nothing to roll back: no migration is applied"


if __name__ == "__main__":
    run(command)
