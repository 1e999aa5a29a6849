"""What the three commands share: run, say the outcome, exit with a code (0 done, 1 try again, 2 mend the settings)."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable

from aragora.config.settings import Settings, load_settings
from aragora.errors import AragoraError, Misconfigured


def run(command: Callable[[Settings], Awaitable[str]]) -> None:
    """Run a command with the settings of this process, and exit."""
    try:
        text = asyncio.run(_told(command))
    except Misconfigured as wrong:
        sys.stderr.write(f"{wrong.message}\n")
        sys.exit(2)
    except AragoraError as failed:
        sys.stderr.write(f"{failed.message}\n")
        sys.exit(1)
    sys.stdout.write(f"{text}\n")


async def _told(command: Callable[[Settings], Awaitable[str]]) -> str:
    return await command(load_settings())
