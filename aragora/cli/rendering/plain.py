"""Text that a terminal only shows: what agents, servers and files say may hold sequences that would steer it."""

from __future__ import annotations

import sys
from typing import Final

CONTROLS: Final = {code: None for code in (*range(32), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"}


def plain(text: str) -> str:
    """`text` without control characters other than line breaks and tabs."""
    return text.translate(CONTROLS)


def progress(line: str) -> None:
    """Show a line of what a long command does, at once: its reader may be `ray up`, or a log."""
    sys.stdout.write(f"{plain(line)}\n")
    sys.stdout.flush()
