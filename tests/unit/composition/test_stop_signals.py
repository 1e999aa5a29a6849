"""A signal that arrives while a part starts is never lost. Each case has a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

PRELUDE = """
import os, signal, sys
from aragora.composition.stop_signals import StartInterrupted, StopSignals

class Signalled:
    def __del__(self):  # an exception that is raised here is printed and dropped, as in callbacks of the collector
        os.kill(os.getpid(), signal.SIGTERM)
        for _ in range(1000):
            str(_)

def handler_of_ray():
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(number))

stop = StopSignals()
"""
CASES = {
    "in a destructor": "def start():\n handler_of_ray()\n Signalled()\n",
    "in its code": "def start():\n handler_of_ray()\n os.kill(os.getpid(), signal.SIGTERM)\n str(1)\n",
    "with our handler": "def start():\n os.kill(os.getpid(), signal.SIGTERM)\n str(1)\n",
    "as Ctrl-C": "def start():\n os.kill(os.getpid(), signal.SIGINT)\n str(1)\n",
}


def output_of(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + program], capture_output=True, text=True, timeout=60, check=False
    )
    return f"{done.returncode} {done.stdout}".strip()


@pytest.mark.parametrize("start", CASES.values(), ids=CASES.keys())
def test_a_signal_while_a_part_starts_interrupts_the_start(start: str) -> None:
    told = "try:\n stop.during(start)\nexcept StartInterrupted:\n print('interrupted', stop.wait(0))\n"

    assert output_of(start + told) == "0 interrupted True"


def test_a_part_that_ends_the_process_itself_does_so() -> None:
    assert output_of("stop.during(lambda: sys.exit(7))") == "7"


def test_after_a_part_has_started_the_first_signal_is_noted_and_the_second_ends_the_process_at_once() -> None:
    send = "os.kill(os.getpid(), signal.SIGTERM)\n"

    assert output_of("stop.during(handler_of_ray)\n" + send + "print(stop.wait(30))") == "0 True"
    assert output_of("stop.during(handler_of_ray)\n" + send + "stop.wait(30)\n" + send + "print('goes on')") == "1"
