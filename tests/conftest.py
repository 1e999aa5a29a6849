"""What every test may rely on."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from worlds.root_logger import root_logger_as_it_was

# How fast an example runs says how busy the machine is, not whether the code is right.
settings.register_profile("any_machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any_machine")


@pytest.fixture(autouse=True)
def interrupts_interrupt() -> None:
    """A shell that runs the tests in the background has them ignore SIGINT, and in-process servers and Ray leave
    handlers of their own: every test begins with Python's."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def files_as_the_system_makes_them() -> Iterator[None]:
    """A command that runs in this process makes its files private; the next test's PostgreSQL is another user."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture(autouse=True)
def logs_as_pytest_keeps_them() -> Iterator[None]:
    """A command that runs in this process logs into the streams of its test, which are closed after it."""
    with root_logger_as_it_was():
        yield
