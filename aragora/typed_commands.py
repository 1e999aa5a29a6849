"""What commands share that a person types: a question, and an end without a traceback."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

INTERRUPTED: Final = 130
READER_GONE: Final = 141
"""As a shell says it of a program that the signal SIGPIPE ended: 1 has a meaning of its own in each command."""


def code_of_run(command: Callable[[], int]) -> int:
    """The exit code of a command: its own, or that of Ctrl-C, or of a reader (`| head`) that has seen enough."""
    try:
        code = command()
        sys.stdout.flush()
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted.\n")
        return INTERRUPTED
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())  # Python writes what is left when it ends
        os.close(nowhere)
        return READER_GONE
    return code


def answer_to(question: str) -> str:
    """What the person types at the question, which goes to standard error: the output of a command is not a dialogue.

    Empty where the input has ended. Raises KeyboardInterrupt at Ctrl-C, also from within an event loop.
    """
    with _interrupted_at_once():
        sys.stderr.write(f"{question} ")
        sys.stderr.flush()
        return sys.stdin.readline().strip()


@contextmanager
def _interrupted_at_once() -> Iterator[None]:
    """asyncio hears Ctrl-C only between two steps of its tasks: it would wait for the answer first."""
    if threading.current_thread() is not threading.main_thread():  # only the main one has handlers of signals
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
