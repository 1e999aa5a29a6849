"""`python -m aragora.migrations.rollback`: undo the migration that was applied last. What it added is lost.

It says what would be lost and asks; on SQLite it makes a copy first; beside a running server it does nothing.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from typing import Final

from aragora.clock import SystemClock
from aragora.config.settings import Settings
from aragora.errors import InvalidInput, Misconfigured
from aragora.migrations import parser_of, run
from aragora.migrations.history import standing
from aragora.migrations.rolling_back import Undoing, copy, plan, refuse_if_ahead, undo
from aragora.storage.serving import server_not_seen, without_server
from aragora.typed_commands import answer_to

NOTHING: Final = "nothing to roll back: no migration is applied"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    parser = parser_of("rollback", "Undo the migration that was applied last. What it added is lost.")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be lost")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    return run(parser, command, arguments)


async def command(settings: Settings, options: Namespace) -> str:
    """Undo the last migration and say which it was. Raises Conflict beside a running server, Misconfigured where nobody
    can be asked, or where a newer program has migrated the store."""
    found = await standing(settings)  # before a lock is taken: no file is made where there is no store
    if not found.applied:
        return NOTHING
    refuse_if_ahead(found)  # before anybody is told to stop a server for it
    async with server_not_seen(settings) if options.dry_run else without_server(settings):
        undoing = await plan(settings)
        if undoing is None:
            return NOTHING
        _say(_told(settings, undoing))
        if options.dry_run:
            return "dry run: nothing was changed"
        if not options.yes:
            _ask(undoing)
        kept = await copy(settings, undoing, SystemClock().now())
        if kept is not None:
            _say(f"a copy is in {kept}")
        await undo(settings, undoing)
    return f"rolled back {undoing.revision}"


def _told(settings: Settings, undoing: Undoing) -> str:
    lines = [f"rolling back {undoing.revision} loses:", *(f"  {loss}" for loss in undoing.losses)]
    if not undoing.losses:
        lines = [f"rolling back {undoing.revision} loses no table and no column"]
    if settings.database_url is not None:
        lines.append("No copy is made of PostgreSQL: run pg_dump first (docs/operations.md, Back up and repair).")
    return "\n".join(lines)


def _ask(undoing: Undoing) -> None:
    if not sys.stdin.isatty():
        raise Misconfigured("nobody can be asked here: nothing was changed. Add --yes to roll back")
    if answer_to(f"Roll back {undoing.revision}? Type yes:").lower() != "yes":
        raise InvalidInput("nothing was changed")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
