"""Work that waits for nobody gives way to work that somebody waits for where processors are short.

Linux has a niceness for each thread. Ray starts its workers with 15 (`RAY_worker_niceness`), so a thread of the
background has the highest there is: it gets less than a third of what another thread of a worker gets beside it.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import Final

import psutil

NICE: Final = 19
"""Of work in the background: the highest that Linux knows."""


def nice_thread() -> None:
    """Have the calling thread, and those that it starts, give way. Where the system refuses, it works all the same."""
    _nice(threading.get_native_id())


def nice_process() -> None:
    """Have all threads of this process, and those that they start, give way; as `nice_thread`."""
    with suppress(psutil.Error):  # macOS does not tell them
        for thread in psutil.Process().threads():
            _nice(thread.id)


def _nice(thread_id: int) -> None:
    with suppress(OSError):  # it ended meanwhile, or may not be changed
        os.setpriority(os.PRIO_PROCESS, thread_id, NICE)
