"""What every test may rely on."""

from __future__ import annotations

import signal

import pytest


@pytest.fixture(autouse=True)
def interrupts_interrupt() -> None:
    """A shell that runs the tests in the background has them ignore SIGINT, and in-process servers and Ray leave
    handlers of their own: every test begins with Python's."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
