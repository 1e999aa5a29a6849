"""Why a machine that `ray up` was told of has not joined: what it said itself, read on the head from the log of the
autoscaler, which starts the workers.

Nothing else knows it: a worker that refuses runs nothing of ours, and Ray tells its command's output to this log alone.
The log is text of a program of Ray's, among it the output of several workers at once. So only two kinds of lines count:

- the machine's own, which carry its name and its address (`aragora node` and `scripts/install_release.py` write them);
- those of ssh in the log beside it, which carry the address. They count while the latest try to reach the machine has
  not come through.

Where copying to a machine fails, rsync's lines carry no address; Ray says for which machine it gave up, and at what.

What cannot be read so is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

OUT: Final = "monitor.out"
ERRORS: Final = "monitor.err"
LOGS: Final = Path("/tmp/ray/session_latest/logs")  # noqa: S108 - Ray's place; only read
TAIL_BYTES: Final = 1_000_000
"""Of each file; a machine that is away fills some 40 MB a day, and the last tries are at the end."""
TRIES: Final = 2
"""How often a machine says the same before it counts as its answer: the database may have been busy, or the machine."""
SSH_TRIES: Final = 3

_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_OWN: Final = re.compile(r"(?:aragora: (?:node )?|node )(?P<name>\S+) \((?P<address>[^\s()]+)\): (?P<said>\S.*)")
_JOINED: Final = re.compile(r"node \S+ \((?P<address>[^\s()]+)\) runs (?:as a worker of|already)")
_GOES_WELL: Final = re.compile(r"runs release |another installation is at work|its Ray has ended")
_REACHED: Final = re.compile(r"NodeUpdater: (?P<address>\S+): Got remote shell")
_TRIED: Final = re.compile(r"Full command is `ssh .*\s\S+@(?P<address>\S+) bash .*\(uptime\)")
_GAVE_UP: Final = re.compile(r"NodeUpdater: (?P<address>\S+): Applied config ")
_FAILED: Final = "New status: update-failed"
_COPYING: Final = "in sync_file_mounts"
_FAILURE_ENDS: Final = "Error message: "
_NOT_COPIED: Final = (
    "the program could not be copied to it: it needs rsync, room on its disk, and /opt/aragora as ssh_user's own; "
    "/tmp/ray/session_latest/logs/monitor.err says which"
)
_SSH: Final = re.compile(r"ssh: connect to host (?P<address>\S+) port \d+: (?P<said>\S.*)")
_DENIED: Final = re.compile(r"\S+@(?P<address>[^\s:]+): (?P<said>Permission denied \(.+\))\.?")


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a machine's start ended with: `said`, a line each; the machine's `name`, where it told it; how often it
    `happened` in the part of the log that was read, and `at` which byte of the log it ended the last time."""

    name: str
    said: tuple[str, ...]
    happened: int
    at: int
    plain_after: int = TRIES

    @property
    def plain(self) -> bool:
        """Whether it happened often enough to be no accident."""
        return self.happened >= self.plain_after


def refusals(logs: Path = LOGS) -> dict[str, Refusal]:
    """The latest refusal of each machine, by its address; empty where there is no such log, or it tells nothing."""
    begins_at, out = _tail(logs / OUT)
    _, errors = _tail(logs / ERRORS)
    return of_lines(out.splitlines(keepends=True), errors.splitlines(), begins_at)


def of_lines(out: list[str], errors: list[str], begins_at: int = 0) -> dict[str, Refusal]:
    """The same, of the lines of both files; the first of `out` stands at byte `begins_at` of its file."""
    found = _own(out, begins_at)
    for address, at in _not_copied(out, begins_at):
        known = found.get(address)
        again = known is not None and known.said == (_NOT_COPIED,)
        found[address] = Refusal("", (_NOT_COPIED,), known.happened + 1 if known and again else 1, at)
    unreached = _unreached(out, begins_at)
    for address, said in _of_ssh(errors):
        if address in unreached:
            tries, at = unreached[address]
            found[address] = Refusal("", (said,), tries, at, SSH_TRIES)
    joined = {one["address"]: at for at, line in _placed(out, begins_at) if (one := _JOINED.match(line)) is not None}
    return {address: refusal for address, refusal in found.items() if refusal.at > joined.get(address, -1)}


def end_of_log(logs: Path = LOGS) -> int:
    """Up to which byte the log is written now."""
    try:
        return (logs / OUT).stat().st_size
    except OSError:
        return 0


def _own(lines: list[str], begins_at: int) -> dict[str, Refusal]:
    """Lines of one machine that follow each other are one refusal."""
    found: dict[str, Refusal] = {}
    before: str | None = None
    for at, line in _placed(lines, begins_at):
        if (joined := _JOINED.match(line)) is not None:
            found.pop(joined["address"], None)
        own = _OWN.fullmatch(line)
        if own is None or _GOES_WELL.match(own["said"]):
            before = None
            continue
        address, said = own["address"], own["said"]
        known = found.get(address)
        if known is not None and before == address:
            found[address] = _with_line(known, said, at)
        elif known is not None and said == known.said[0]:
            found[address] = replace(known, happened=known.happened + 1, at=at)
        else:
            found[address] = Refusal(own["name"], (said,), 1, at)
        before = address
    return found


def _with_line(known: Refusal, said: str, at: int) -> Refusal:
    """A repeated refusal has its lines already."""
    return replace(known, said=known.said if said in known.said else (*known.said, said), at=at)


def _not_copied(lines: list[str], begins_at: int) -> Iterator[tuple[str, int]]:
    """To which machines the program could not be copied, in order. Ray says that it ends with a machine, in the next
    line that it failed, and then where."""
    ending: str | None = None
    failed: str | None = None
    for at, line in _placed(lines, begins_at):
        if _FAILED in line:
            failed = ending
        elif failed is not None and _COPYING in line:
            yield failed, at
            failed = None
        elif _FAILURE_ENDS in line:
            failed = None
        gave_up = _GAVE_UP.search(line)
        ending = gave_up["address"] if gave_up else None


def _unreached(lines: list[str], begins_at: int) -> Mapping[str, tuple[int, int]]:
    """The machines that ssh has not come through to, by address: since how many tries, and where the last stands."""
    tried: dict[str, tuple[int, int]] = {}
    for at, line in _placed(lines, begins_at):
        if (attempt := _TRIED.search(line)) is not None:
            tries, _ = tried.get(attempt["address"], (0, 0))
            tried[attempt["address"]] = (tries + 1, at)
        elif (reached := _REACHED.search(line)) is not None:
            tried.pop(reached["address"], None)
    return tried


def _of_ssh(lines: list[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        bare = _COLOURS.sub("", line).strip()
        if (away := _SSH.fullmatch(bare)) is not None:
            yield away["address"], f"ssh does not reach it ({away['said']}): is it on, and is its address right?"
        elif (denied := _DENIED.fullmatch(bare)) is not None:
            yield (
                denied["address"],
                f"ssh: {denied['said']}: add the public half of ssh_private_key to ~/.ssh/authorized_keys of ssh_user there",
            )


def _placed(lines: list[str], begins_at: int) -> Iterator[tuple[int, str]]:
    """Each line without colours and line ends, with the byte of the file at which it ends."""
    at = begins_at
    for line in lines:
        at += len(line.encode("utf-8", "surrogateescape"))
        yield at, _COLOURS.sub("", line).strip()


def _tail(file: Path) -> tuple[int, str]:
    try:
        with file.open("rb") as opened:
            begins_at = max(0, opened.seek(0, 2) - TAIL_BYTES)
            opened.seek(begins_at)
            return begins_at, opened.read(TAIL_BYTES).decode("utf-8", "surrogateescape")
    except OSError:
        return 0, ""
