"""SIGTERM and SIGINT as a request to stop: the first one is remembered, the second one ends the process at once.

Ray sets a handler of its own while it starts, which raises SystemExit with the signal's number. Python prints and drops
an exception that is raised within a destructor or a callback of the garbage collector, and with it the signal. So the
interpreter also writes the number of each signal into a pipe (`signal.set_wakeup_fd`), whoever's handler is in force;
what is found there after a step counts as a request too.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Final

STOPS: Final = (signal.SIGTERM, signal.SIGINT)
_PIPE_BYTES: Final = 4096


class StartInterrupted(Exception):
    """A signal asked the process to stop while it was starting."""


class StopSignals:
    """Takes over the signals when it is made. Belongs to the main thread, one a process."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._told, self._telling = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.install()

    def install(self) -> None:
        """Take over the signals (again: a part that started may have set handlers of its own)."""
        signal.set_wakeup_fd(self._telling, warn_on_full_buffer=False)
        for number in STOPS:
            signal.signal(number, self._on_signal)

    @property
    def asked(self) -> bool:
        """Whether a stop was asked for, also of another handler."""
        try:
            told = os.read(self._told, _PIPE_BYTES)
        except BlockingIOError:
            told = b""
        if any(number in told for number in STOPS):
            self._asked.set()
        return self._asked.is_set()

    def wait(self, timeout_s: float) -> bool:
        """True as soon as a stop is asked for, False after `timeout_s` seconds."""
        return self.asked or self._asked.wait(timeout_s)

    def check(self) -> None:
        """Raises StartInterrupted where a stop was asked for."""
        if self.asked:
            raise StartInterrupted

    def during(self, start: Callable[[], object]) -> None:
        """Start a part, then take over the signals again. Raises StartInterrupted where a stop was asked for meanwhile,
        and what `start` raises."""
        try:
            start()
            self.install()
        except SystemExit as left:
            self.install()
            if left.code != signal.SIGTERM:
                raise
            raise StartInterrupted from None
        self.check()

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        if self._asked.is_set():
            sys.stderr.write(f"{signal.Signals(number).name} again: stopping at once\n")
            sys.stderr.flush()
            if os.getpgid(0) == os.getpid():
                os.killpg(0, signal.SIGKILL)
            os._exit(1)
        self._asked.set()
