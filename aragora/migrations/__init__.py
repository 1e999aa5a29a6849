"""The schema's history, and the three commands over it: `python -m aragora.migrations.apply|status|rollback`.

Each context (`aragora.storage.contexts`) has a linear history of its own: a SQLite file of its own, or its tables
in the one PostgreSQL database. To change a context's schema:

1. change its tables (`aragora/storage/tables.py`, or where its feature declares them on that METADATA): the stores
   use them;
2. add `versions/CONTEXT/NNNN_what_changes.py`: an Alembic revision whose `revision` is "NNNN", the number in its
   file name, and whose `down_revision` is the number before it in that directory (None for the first), with both
   `upgrade` and `downgrade`. `versions/debates/0001_debates.py` is an example. The same file runs on SQLite and on
   PostgreSQL; use `op.batch_alter_table` to alter a table.

A revision that was released never changes. Tests compare the migrated schema with the tables, up and down.

Each command says its outcome and exits with a code: 0 done, 1 try again, 2 mend the settings.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable

from aragora.config.settings import Settings, load_settings
from aragora.errors import AragoraError, Misconfigured
from aragora.private_files import make_files_private


def run(command: Callable[[Settings], Awaitable[str]]) -> None:
    """Run a command with the settings of this process, and exit."""
    make_files_private()
    try:
        text = asyncio.run(_text_of(command))
    except Misconfigured as wrong:
        sys.stderr.write(f"{wrong.message}\n")
        sys.exit(2)
    except AragoraError as failed:
        sys.stderr.write(f"{failed.message}\n")
        sys.exit(1)
    sys.stdout.write(f"{text}\n")


async def _text_of(command: Callable[[Settings], Awaitable[str]]) -> str:
    return await command(load_settings())
