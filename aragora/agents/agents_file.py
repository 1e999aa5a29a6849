"""The file `agents.toml` as this process has read it: read again when it changes; a wrong one leaves the last good one.

Every process looks by itself, at the moment when somebody asks for the agents: one `stat` of the file, no watcher, no
restart. A file that became wrong is told once in the log, and in `GET /api/health` until it is mended: for that the
process looks every few seconds, also where nobody asks. Meanwhile what was declared last holds. A copy of that lies in
the data directory, for processes that begin in the meantime.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import stat
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import structlog

from aragora.agents.declared import NOTHING, Declared, parse
from aragora.config.settings import Settings, own_variables
from aragora.errors import Misconfigured
from aragora.limits import AGENTS_FILE_MAX_BYTES
from aragora.supervision import LOOPS, Loops

NAME: Final = "agents.toml"
KEPT_NAME: Final = ".agents.toml.in-force"
WORK: Final = "agents file"
"""Its name among the work in trouble."""
LOOK_AGAIN_S: Final = 5.0
_FILES: Final = 8  # that one process reads at most: one, but for tests

_log = structlog.get_logger("aragora.agents")


@dataclass(frozen=True, slots=True)
class _Seen:
    """What tells one state of the file from another. None: the file is not there, or cannot be looked at."""

    stamp: tuple[int, int, int, int] | None
    why_not: str = ""


class AgentsFile:
    """The file at `path`; `named`: a setting names it, so it has to be there. `kept` is where the copy lies."""

    def __init__(self, path: Path, kept: Path, *, named: bool, loops: Loops = LOOPS) -> None:
        self.path = path
        self.problem: str | None = None
        """What is wrong with the file now, with line, field and remedy; None where nothing is."""
        self._kept = kept
        self._named = named
        self._loops = loops
        self._seen: _Seen | None = None
        self._declared: Declared | None = None
        self._again: asyncio.TimerHandle | None = None

    def check(self) -> Declared:
        """What the file itself declares now; nothing is remembered, kept or logged. Raises Misconfigured where it is
        wrong."""
        return self._read(self._look())[1]

    def current(self) -> Declared:
        """What is declared: by the file, or where it is wrong by the last good one. The same object while nothing
        changes."""
        seen = self._look()
        if self._declared is None or seen != self._seen:
            self._seen = seen
            self._declared = self._renewed(seen)
        if self.problem is not None and self._again is None:
            self._look_later()
        return self._declared

    def _look_later(self) -> None:
        """Look again while the file is wrong, where this process lives on: nobody may ask it for long, and meanwhile
        the server's health would name what was mended."""
        with suppress(RuntimeError):  # no event loop: a command, which has looked
            self._again = asyncio.get_running_loop().call_later(LOOK_AGAIN_S, self._look_again)

    def _look_again(self) -> None:
        self._again = None
        self.current()

    def _renewed(self, seen: _Seen) -> Declared:
        try:
            content, declared = self._read(seen)
        except Misconfigured as wrong:
            if isinstance(wrong.__cause__, OSError):  # too many open files, a network drive away: it may pass
                self._seen = None
                if self.problem == wrong.message:
                    return self._declared or self._from_copy()
            self.problem = wrong.message
            self._loops.failed(WORK, wrong)
            _log.error("agents.toml is wrong: what was declared before stays in force", problem=wrong.message)
            return self._declared or self._from_copy()
        if self.problem is not None:
            self.problem = None
            self._loops.succeeded(WORK)
            _log.info("agents.toml is right again")
        if self._declared is not None and declared == self._declared:
            return self._declared
        self._keep(content)
        return declared

    def _look(self) -> _Seen:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return _Seen(None)
        except OSError as error:
            return _Seen(None, os.strerror(error.errno or 0))
        if not stat.S_ISREG(found.st_mode):  # to open a pipe would wait for whoever writes into it
            return _Seen(None, "it is no regular file")
        return _Seen((found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino))

    def _read(self, seen: _Seen) -> tuple[bytes, Declared]:
        """The file's content, empty where it may be missing and is. Raises Misconfigured."""
        if seen.stamp is None and not seen.why_not and not self._named:
            return b"", NOTHING
        if seen.stamp is None:
            raise Misconfigured(f"{self.path} cannot be read ({seen.why_not or 'there is no such file'}): {_MEND}.")
        try:
            with self.path.open("rb") as file:
                content = file.read(AGENTS_FILE_MAX_BYTES + 1)
        except OSError as error:
            raise Misconfigured(f"{self.path} cannot be read ({os.strerror(error.errno or 0)}): {_MEND}.") from error
        return content, parse(content, str(self.path), own_variables())

    def _from_copy(self) -> Declared:
        """What another process read last before the file became wrong; nothing where there is no such copy."""
        try:
            return parse(self._kept.read_bytes(), str(self._kept), own_variables())
        except (OSError, Misconfigured) as error:
            _log.error("no earlier agents.toml is kept: no agent is declared", cause=type(error).__name__)
            return NOTHING

    def _keep(self, content: bytes) -> None:
        draft = self._kept.with_name(f"{self._kept.name}.{secrets.token_hex(8)}")
        try:
            if not content:
                self._kept.unlink(missing_ok=True)
            elif not self._kept.is_file() or self._kept.read_bytes() != content:
                draft.write_bytes(content)
                draft.replace(self._kept)
        except OSError as error:  # a directory that is not there yet, or cannot be written: told at the start
            _log.debug("agents.toml is not kept", cause=type(error).__name__)
            with suppress(OSError):
                draft.unlink(missing_ok=True)


def agents_file(settings: Settings) -> AgentsFile:
    """The file of these settings: one for the process, so that a problem is told once."""
    kept = settings.data_dir / KEPT_NAME
    if settings.agents_file is not None:
        return _file(settings.agents_file, kept, named=True)
    return _file(settings.data_dir / NAME, kept, named=False)


_MEND: Final = "mend that, or name another with ARAGORA_AGENTS_FILE"


@lru_cache(maxsize=_FILES)
def _file(path: Path, kept: Path, *, named: bool) -> AgentsFile:
    return AgentsFile(path, kept, named=named)
