"""A question at the terminal: what is typed comes back, and Ctrl-C is heard while an event loop runs; a quiet end."""

from __future__ import annotations

import io
import signal
import subprocess
import sys

import pytest
from worlds.waiting import WAIT_S

from aragora.typed_commands import answer_to, code_of_run

IN_A_LOOP = """
import asyncio
from aragora.typed_commands import answer_to

async def ask():
    answer_to("Well?")

asyncio.run(ask())
"""


@pytest.mark.parametrize(("typed", "answer"), [("yes\n", "yes"), ("  n \nmore\n", "n"), ("", "")])
def test_the_answer_is_one_line_and_the_question_no_output(
    typed: str, answer: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    assert answer_to("Well?") == answer
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "Well? ")


def test_one_ctrl_c_ends_a_question_that_an_event_loop_asks() -> None:
    with subprocess.Popen([sys.executable, "-c", IN_A_LOOP], stdin=subprocess.PIPE, stderr=subprocess.PIPE) as asked:
        assert asked.stderr is not None
        assert asked.stderr.read(6) == b"Well? "
        asked.send_signal(signal.SIGINT)
        assert asked.wait(WAIT_S) == -signal.SIGINT
        assert asked.stderr.read().endswith(b"KeyboardInterrupt\n")


def test_the_handler_from_before_is_back_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    answer_to("Well?")
    assert signal.getsignal(signal.SIGINT) is before


def test_a_command_keeps_its_code_and_an_interrupted_one_has_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> int:
        raise KeyboardInterrupt

    assert code_of_run(lambda: 3) == 3
    assert code_of_run(interrupted) == 130
    assert capsys.readouterr().err == "Interrupted.\n"
