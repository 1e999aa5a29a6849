"""The schema's history, and the three commands over it: `python -m aragora.migrations.apply|status|rollback`.

Each context (`aragora.storage.contexts`) has a linear history of its own: a SQLite file of its own, or its tables
in the one PostgreSQL database. To change a context's schema:

1. change its tables (`aragora/storage/tables.py`, or where its feature declares them on that METADATA): the stores
   use them;
2. add `versions/CONTEXT/NNNN_what_changes.py`: an Alembic revision whose `revision` is "NNNN", the number in its
   file name, and whose `down_revision` is the number before it in that directory (None for the first), with both
   `upgrade` and `downgrade`. `versions/debates/0001_debates.py` is an example. The same file runs on SQLite and on
   PostgreSQL; use `op.batch_alter_table` to alter a table.

3. choose the number. A cluster is upgraded node by node, so the programs before and after work on one database at
   once, and the way back is the older program on the newer database. Revisions whose numbers begin with the same digit
   are one generation: they only add tables, indexes and columns (with a default, or that may be NULL), and they leave
   alone what an older program reads and writes. To drop or rename something, first release a program that does without
   it, then begin the next generation: N001, N being the next digit. Programs refuse a store of a newer generation, so
   such a release is started where no older one runs.

A revision that was released never changes. Tests compare the migrated schema with the tables, up and down.

Each command says which store it means and what it did, and exits with a code: 0 done, 1 it failed, 2 mend the settings
or the call, 3 the store cannot be reached now, 130 interrupted.
"""

from __future__ import annotations

import asyncio
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from aragora.config.legacy import DATA_DIR
from aragora.config.settings import Settings, settings_in
from aragora.errors import AragoraError, Conflict, Misconfigured, Unavailable
from aragora.private_files import make_files_private
from aragora.storage.contexts import store_of
from aragora.typed_commands import code_of_run

Command = Callable[[Settings, Namespace], Coroutine[Any, Any, str]]


def parser_of(name: str, does: str) -> ArgumentParser:
    """The command line of the command `name`, with the options that all three share."""
    parser = ArgumentParser(prog=f"python -m aragora.migrations.{name}", description=does)
    add_data_dir(parser)
    return parser


def add_data_dir(parser: ArgumentParser) -> None:
    """The option `--data-dir`, as `data_dir`."""
    parser.add_argument(
        "--data-dir", type=Path, metavar="DIR", help=f"databases and keys; unset: ARAGORA_DATA_DIR, or {DATA_DIR}"
    )


def run(parser: ArgumentParser, command: Command, arguments: Sequence[str] | None = None) -> int:
    """Run a command with the settings of this process; returns its exit code."""
    options = parser.parse_args(arguments)
    make_files_private()
    return code_of_run(lambda: _run(command, options))


def _run(command: Command, options: Namespace) -> int:
    try:
        settings = settings_in(options.data_dir)
        sys.stdout.write(f"store: {store_of(settings)}\n")
        sys.stdout.flush()
        text = asyncio.run(command(settings, options))
    except (Misconfigured, Conflict) as wrong:
        return _failed(wrong, 2)
    except Unavailable as away:
        return _failed(away, 3)
    except AragoraError as failed:
        return _failed(failed, 1)
    sys.stdout.write(f"{text}\n")
    return 0


def _failed(error: AragoraError, code: int) -> int:
    sys.stderr.write(f"error: {error.message}\n")
    return code
