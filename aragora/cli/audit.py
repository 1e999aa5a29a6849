"""`python -m aragora.security.audit verify [--head HASH]`: whether the audit log is as it was written.

Exit code 0: intact; 1: it was changed, with what and where; 2: it could not be read, and a person must mend that; 3:
the store cannot be reached now; 130: interrupted. Note the printed head elsewhere (a ticket, another system): a later
check with --head then also finds entries that were cut off the end.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence

from aragora.clock import SystemClock
from aragora.config.settings import Settings, settings_in
from aragora.errors import AragoraError, Unavailable
from aragora.identity.audit import Finding, verify_chain
from aragora.identity.store.audit_log import AuditLog
from aragora.migrations import add_data_dir
from aragora.migrations.history import require_current
from aragora.private_files import make_files_private
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.typed_commands import code_of_run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    make_files_private()
    parser = argparse.ArgumentParser(prog="python -m aragora.security.audit", description="Check the audit log.")
    parser.add_argument("command", choices=["verify"])
    parser.add_argument("--head", help="a hash noted at an earlier check, which the log must still contain")
    add_data_dir(parser)
    options = parser.parse_args(arguments)
    return code_of_run(lambda: _told(options))


def _told(options: argparse.Namespace) -> int:
    try:
        finding = asyncio.run(_verify(settings_in(options.data_dir), options.head))
    except Unavailable as away:
        _say(away.message, error=True)
        return 3
    except AragoraError as error:
        _say(error.message, error=True)
        return 2
    _say(f"Entries: {finding.entries}")
    _say(f"Head:    {finding.head}")
    if finding.problem is not None:
        _say(f"NOT INTACT: {finding.problem}", error=True)
        return 1
    _say("Intact.")
    return 0


async def _verify(settings: Settings, head: str | None) -> Finding:
    await require_current(settings, Context.USERS)
    database = Database.open(settings, Context.USERS)
    try:
        return await verify_chain(AuditLog(database, SystemClock()).walk(), head)
    finally:
        await database.aclose()


def _say(text: str, *, error: bool = False) -> None:
    print(text, file=sys.stderr if error else sys.stdout)
