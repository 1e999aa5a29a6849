"""What gives way, and that nothing else does."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from aragora.niceness import NICE, nice_thread

PROCESS = """
import os, threading
from aragora.niceness import nice_process

gate = threading.Event()
thread = threading.Thread(target=gate.wait)
thread.start()
nice_process()
print({os.getpriority(os.PRIO_PROCESS, int(task)) for task in os.listdir("/proc/self/task")})
gate.set()
thread.join()
"""


def own() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def test_a_thread_gives_way_alone() -> None:
    before = own()
    with ThreadPoolExecutor(1) as thread:
        thread.submit(nice_thread).result()
        assert thread.submit(own).result() == NICE
    assert own() == before


def test_a_process_gives_way_with_all_its_threads() -> None:
    told = subprocess.run([sys.executable, "-c", PROCESS], capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout.strip() == f"{{{NICE}}}"
