"""`python -m aragora.migrations.apply`: bring the store to the schema of this program."""

from __future__ import annotations

from aragora.config.settings import Settings
from aragora.migrations import run
from aragora.migrations.applying import apply_all, apply_pending

__all__ = ["apply_all", "apply_pending", "command"]


async def command(settings: Settings) -> str:
    """Apply what is pending and say what it was."""
    applied = await apply_pending(settings)
    return "\n".join(f"applied {revision}" for revision in applied) or "nothing to apply: the store is up to date"


if __name__ == "__main__":
    run(command)
