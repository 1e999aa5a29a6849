"""A program that forks a process for each order, so that many may be killed and each begins within milliseconds.

`Lives` starts it and gives it orders; `serve` is what it does: it reads orders from its standard input and answers each
with one line: `done`, `killed`, `failed STATUS`, or `stopped PID`. The order `go PID` lets a stopped one go on.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]

Deed = Callable[..., Coroutine[Any, Any, None]]


class Lives:
    """The program in the file `program`, from the outside."""

    def __init__(self, program: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, program],
            env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def order(self, *words: object) -> list[str]:
        """Give an order; the words of its answer."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(" ".join(map(str, words)) + "\n")
        stdin.flush()
        return stdout.readline().split()

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


def strike() -> None:
    """Kill this process, as nothing can be done about."""
    os.kill(os.getpid(), signal.SIGKILL)


def serve(deeds: Mapping[str, Deed]) -> None:
    """Do orders until the standard input ends: the name of a deed, and its words."""
    for line in sys.stdin:
        deed, *words = line.split()
        if deed == "go":
            pid = int(words[0])
            os.kill(pid, signal.SIGCONT)
        else:
            pid = _live(deeds[deed], words)
        sys.stdout.write(f"{_told(pid)}\n")
        sys.stdout.flush()


def _live(deed: Deed, words: list[str]) -> int:
    """Fork a process that does it; its id."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    os.dup2(2, 1)  # what it logs is no answer
    try:
        asyncio.run(deed(*words))
        code = 0
    finally:
        os._exit(code)


def _told(pid: int) -> str:
    """What became of a process."""
    _, status = os.waitpid(pid, os.WUNTRACED)
    if os.WIFSTOPPED(status):
        return f"stopped {pid}"
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return "killed"
    return "done" if status == 0 else f"failed {status}"
