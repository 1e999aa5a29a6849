"""Commands on another machine by ssh, or on this one: `HERE` in the place of a destination."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HERE: Final = "here"
OPTIONS: Final = ("-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=10")
ASKED_S: Final = 90.0
"""For what only looks. What changes something is waited for: it has limits of its own."""


class Failed(Exception):
    """Raised when a command did not do what it was to do. The text says which, where, and its own last line."""


@dataclass(frozen=True, slots=True)
class Machine:
    """`destination` is as ssh takes it (`user@host`), `key` a private key for it; None leaves it to ssh."""

    destination: str
    key: Path | None

    def ask(self, command: str, given: str = "") -> str:
        """The output of a command that is short. Raises Failed."""
        try:
            done = subprocess.run(  # noqa: S603 - the operator's own machines
                self._argv(command), input=given, capture_output=True, text=True, timeout=ASKED_S, check=False
            )
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.destination}: no answer within {ASKED_S:.0f} s to: {command}") from None
        if done.returncode != 0:
            raise Failed(f"{self.destination}: {last_line(done.stderr or done.stdout, done.returncode)}")
        return done.stdout

    def tell(self, command: str) -> None:
        """Run a command and show its lines as they come. Raises Failed."""
        last = ""
        with subprocess.Popen(  # noqa: S603 - the operator's own machines
            self._argv(command),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        ) as running:  # fmt: skip
            for line in running.stdout or ():
                last = line.strip() or last
                sys.stdout.write(f"   {self.destination}: {line.rstrip()}\n")
                sys.stdout.flush()
        if running.returncode != 0:
            raise Failed(f"{self.destination}: {last or f'exit code {running.returncode}'}")

    def _argv(self, command: str) -> list[str]:
        if self.destination == HERE:
            return ["/bin/sh", "-c", command]
        key = [] if self.key is None else ["-i", str(self.key)]
        return ["ssh", *OPTIONS, *key, self.destination, command]


def last_line(said: str, code: int) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else f"exit code {code}"
