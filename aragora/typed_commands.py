"""What commands share that a person types: a question, and an end without a traceback."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

INTERRUPTED: Final = 130
UNWRITTEN: Final = 1
READER_GONE: Final = 141
"""As a shell says it of a program that the signal SIGPIPE ended: 1 has a meaning of its own in each command."""

_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def code_of_run(command: Callable[[], int]) -> int:
    """The exit code of a command: its own, or that of Ctrl-C, or of a reader (`| head`) that has seen enough."""
    open_closed_streams()
    try:
        code = command()
        sys.stdout.flush()
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted.\n")
        return INTERRUPTED
    except OSError as error:
        return code_of_unwritten(error)
    return code


def open_closed_streams() -> None:
    """Let nothing stand for each standard stream that whoever started the command has closed (`<&-`): Python has None
    there, and a file that is opened later would take the place."""
    if sys.stdin is None:
        sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115  it stays open, as the one that it stands for
    if sys.stdout is None:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115


def code_of_unwritten(error: OSError) -> int:
    """The exit code where output cannot be written, which is told if its reader is not gone. Raises any other error
    again."""
    if not isinstance(error, BrokenPipeError) and error.errno not in _NO_ROOM:
        raise error
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())  # Python writes what is left when it ends
    os.close(nowhere)
    if isinstance(error, BrokenPipeError):
        return READER_GONE
    sys.stderr.write(f"Something could not be written ({error.strerror}): free some space, or write elsewhere.\n")
    return UNWRITTEN


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
