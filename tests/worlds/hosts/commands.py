"""Commands in namespaces: run to their end, with everything they said.

The output goes to files, not to pipes: a daemon that a command leaves behind keeps a pipe open, and reading it would
never end.
"""

from __future__ import annotations

import shlex
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

GRACE_S = 20.0  # for a machine too busy to notice that the time is over


@dataclass(frozen=True)
class Finished:
    """A command that has ended; a status of 137 or -9 is the time limit, if nobody else killed it."""

    command: str
    status: int
    stdout: str
    stderr: str

    def output(self) -> str:
        """What it printed, without the last line break. Raises AssertionError, with all it said, where it failed."""
        assert self.status == 0, f"{self.command}: status {self.status}\n{self.stdout}\n{self.stderr}"
        return self.stdout.rstrip("\n")


def finished(argv: Sequence[str], said: str, given: str, timeout_s: float) -> Finished:
    """Run `argv` with `given` as its input; `said` is what a reader of a failure should see as the command.

    Raises TimeoutError after `timeout_s` seconds, with what the command had printed.
    """
    with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        stdin.write(given.encode())
        stdin.seek(0)
        process = subprocess.Popen(argv, stdin=stdin, stdout=out, stderr=err, start_new_session=True)
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            told = _text(out) + _text(err)
            raise TimeoutError(f"{said}: not finished after {timeout_s:g} s; it had said: {told}") from None
        return Finished(said, process.returncode, _text(out), _text(err))


def machine(*argv: str, given: str = "", timeout_s: float = 60.0) -> str:
    """The output of a command that the bed itself needs. Raises AssertionError where it fails."""
    return finished(argv, shlex.join(argv), given, timeout_s).output()


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
