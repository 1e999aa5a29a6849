"""A command that asks a person, who presses Ctrl-C instead of answering."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
from collections.abc import Sequence

from worlds.waiting import WAIT_S


def interrupted_at(question: bytes, command: Sequence[str]) -> tuple[int, bytes]:
    """Run the command on a terminal until it asks `question` on standard error, then interrupt it. Returns its exit
    code, and what it wrote to standard error after the question."""
    keyboard, terminal = pty.openpty()
    try:
        with subprocess.Popen(command, stdin=terminal, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as asked:
            assert asked.stderr is not None
            told = b""
            while question not in told:
                more = asked.stderr.read(1)
                assert more, told
                told += more
            asked.send_signal(signal.SIGINT)
            return asked.wait(WAIT_S), asked.stderr.read()
    finally:
        os.close(keyboard)
        os.close(terminal)
