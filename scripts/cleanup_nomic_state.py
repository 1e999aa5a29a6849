"""Keep the data directory small: remove old backups, sessions, checkpoints, artifacts and orphaned WAL files.

Databases are never touched: only entries of the directories named in `CATEGORIES` are candidates, and -wal and
-shm files in the data directory whose database is gone; those of an essential database stay even then: it may be away
for a moment, and its -wal may hold the only copy of what was committed. An entry that is, or (outside of backups)
holds, an essential database stays, whatever its age. An entry is as old as the newest thing in it. With --archive-to
an entry is deleted only after its archive was written and read back. Links are removed, never followed.

Run it with --dry-run first. Standard library only, so that cron can run it with any Python 3.11+.
Exit codes: 0 done (or nothing to do), 1 something could not be archived or removed, 2 wrong usage or not confirmed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tarfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ESSENTIAL: Final = frozenset(
    f"{name}.db"
    for name in (
        *("core", "memory", "agents", "debates"),
        *("agent_elo", "agent_memories", "agent_calibration"),
        *("consensus_memory", "continuum", "continuum_memory"),
        *("users", "usage", "scheduled_debates"),
        *("aragora_memory", "webhooks", "workflows"),
    )
)
SIDECARS: Final = ("-wal", "-shm")
BACKUPS: Final = "backups"
CATEGORIES: Final[dict[str, tuple[str, ...]]] = {
    BACKUPS: ("backups",),
    "sessions": ("sessions",),
    "checkpoints": ("checkpoints",),
    "artifacts": ("artifacts", "root-artifacts"),
}
DAY_S: Final = 86_400.0


@dataclass(frozen=True)
class Retention:
    """Days an entry is kept after its last change; `keep_backups` newest backups stay whatever their age."""

    backup_days: float = 7
    keep_backups: int = 5
    session_days: float = 3
    test_session_days: float = 1
    checkpoint_days: float = 7
    artifact_days: float = 7


@dataclass(frozen=True)
class Entry:
    """One thing that stays or goes as a whole. `age_s` is the time since its newest change."""

    category: str
    path: Path
    age_s: float
    size_bytes: int
    essential: bool


@dataclass(frozen=True)
class Verdict:
    entry: Entry
    remove: bool
    reason: str


def main(argv: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(argv)
    os.umask(0o077)  # archives hold what the data directory holds
    data_dir: Path = options.data_dir
    try:
        entries = list(find_entries(data_dir, time.time()))
    except (FileNotFoundError, NotADirectoryError):
        return _refuse(f"no data directory at {data_dir}; name it with --data-dir or ARAGORA_DATA_DIR")
    except OSError as error:
        return _refuse(f"{error.filename} cannot be read ({error.strerror}); run this as the user of the server")
    return _clean_up(data_dir, entries, options)


def _clean_up(data_dir: Path, entries: Sequence[Entry], options: argparse.Namespace) -> int:
    if options.archive_to and any(_inside(options.archive_to, folder) for folder in _folders(data_dir)):
        return _refuse(f"--archive-to {options.archive_to} lies inside what is cleaned; choose another place")
    retention = Retention(
        options.backup_days,
        options.keep_backups,
        options.session_days,
        min(Retention.test_session_days, options.session_days),
        options.checkpoint_days,
        options.artifact_days,
    )
    if options.analyze_only:
        _print_analysis(data_dir, entries)
        return 0
    doomed = [verdict for verdict in judge(entries, retention) if verdict.remove]
    _print_plan(doomed)
    if options.dry_run or not doomed:
        print("Dry run: nothing was changed." if options.dry_run else "Nothing to clean.")
        return 0
    if not options.yes and not _confirmed():
        return _refuse("not confirmed; nothing was changed (--yes goes ahead without asking)")
    failures = [failure for verdict in doomed if (failure := clean(verdict.entry, options.archive_to))]
    freed = sum(
        verdict.entry.size_bytes for verdict in doomed if verdict.entry.path not in {path for path, _ in failures}
    )
    for path, problem in failures:
        print(f"cleanup: {path} stays: {problem}", file=sys.stderr)
    print(f"Removed {len(doomed) - len(failures)} of {len(doomed)}, freed {_mb(freed)}.")
    return 1 if failures else 0


def find_entries(data_dir: Path, now: float) -> Iterator[Entry]:
    """Every candidate in the data directory; `now` is seconds since the epoch."""
    for category, names in CATEGORIES.items():
        for folder in (data_dir / name for name in names):
            if folder.is_dir() and not folder.is_symlink():
                yield from _entries(category, sorted(folder.iterdir()), now)
    orphans = [
        path
        for path in sorted(data_dir.iterdir())
        if (database := _database_of(path.name)) is not None and not os.path.lexists(data_dir / database)
    ]
    yield from _entries("orphaned WAL", orphans, now)


def judge(entries: Sequence[Entry], retention: Retention) -> list[Verdict]:
    """Which entries go, by the rules of the runbook alone."""
    newest = sorted((entry for entry in entries if entry.category == BACKUPS), key=lambda entry: entry.age_s)
    kept = {entry.path for entry in newest[: retention.keep_backups]}
    return [_verdict(entry, retention, latest=entry.path in kept) for entry in entries]


def _verdict(entry: Entry, retention: Retention, *, latest: bool) -> Verdict:
    if entry.essential:
        return Verdict(entry, False, "is or holds a part of an essential database")
    if entry.category == "orphaned WAL":
        return Verdict(entry, True, "its database is gone")
    if latest:
        return Verdict(entry, False, f"one of the {retention.keep_backups} latest backups")
    days = {
        BACKUPS: retention.backup_days,
        "sessions": retention.test_session_days if entry.path.name.startswith("test") else retention.session_days,
        "checkpoints": retention.checkpoint_days,
        "artifacts": retention.artifact_days,
    }[entry.category]
    age_days = entry.age_s / DAY_S
    return Verdict(entry, age_days > days, f"{age_days:.1f} days old, kept {days:g}")


def clean(entry: Entry, archive_to: Path | None) -> tuple[Path, str] | None:
    """Archive (where wanted) and remove one entry. Returns what went wrong, or None; then the entry stays."""
    try:
        if archive_to is not None:
            _archive(entry, archive_to)
        if entry.path.is_dir() and not entry.path.is_symlink():
            shutil.rmtree(entry.path)
        else:
            entry.path.unlink()
    except (OSError, tarfile.TarError) as error:
        return entry.path, str(error)
    return None


def _archive(entry: Entry, archive_to: Path) -> None:
    """Write entry.path into a .tar.gz of its own, flush it to the disk and read it back before it counts."""
    archive_to.mkdir(parents=True, exist_ok=True)
    target = archive_to / f"{entry.path.parent.name}-{entry.path.name}-{time.time_ns()}.tar.gz"
    partial = target.with_name(f".{target.name}.partial")
    try:
        with partial.open("xb") as raw:
            with tarfile.open(fileobj=raw, mode="w:gz") as archive:
                archive.add(entry.path, arcname=entry.path.name)
                written = len(archive.getmembers())
            raw.flush()
            os.fsync(raw.fileno())
        with tarfile.open(partial, "r:gz") as archive:
            if len(archive.getmembers()) != written:
                raise tarfile.ReadError(f"the archive {target} does not read back whole")
        partial.rename(target)
    finally:
        partial.unlink(missing_ok=True)


def _entries(category: str, paths: Sequence[Path], now: float) -> Iterator[Entry]:
    for path in paths:
        with suppress(FileNotFoundError):  # the server removed it meanwhile
            yield _entry(category, path, now)


def _entry(category: str, path: Path, now: float) -> Entry:
    inside = [path, *_below(path)]
    stats = [item.lstat() for item in inside]
    essential = any(is_essential(item.name) for item in (inside[:1] if category == BACKUPS else inside))
    newest = max(stat.st_mtime for stat in stats)
    return Entry(category, path, now - newest, sum(stat.st_size for stat in stats), essential)


def _below(path: Path) -> Iterator[Path]:
    if path.is_dir() and not path.is_symlink():
        for folder, folders, files in os.walk(path):
            yield from (Path(folder) / name for name in (*folders, *files))


def is_essential(name: str) -> bool:
    """Whether a file of this name is an essential database or belongs to one."""
    return (_database_of(name) or name) in ESSENTIAL


def _database_of(name: str) -> str | None:
    """The database a -wal or -shm file belongs to, by its name; None for other files."""
    return next((name.removesuffix(tail) for tail in SIDECARS if name.endswith(f".db{tail}")), None)


def _folders(data_dir: Path) -> list[Path]:
    return [data_dir / name for names in CATEGORIES.values() for name in names]


def _inside(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def _confirmed() -> bool:
    try:
        return input("Remove these? [y/N] ").strip().lower() in {"y", "yes"}
    except EOFError:  # nobody is there to ask
        return False


def _refuse(reason: str) -> int:
    print(f"cleanup: {reason}", file=sys.stderr)
    return 2


def _print_plan(doomed: Sequence[Verdict]) -> None:
    for verdict in doomed:
        print(
            f"{verdict.entry.category:<13}{_mb(verdict.entry.size_bytes):>12}  {verdict.entry.path}  {verdict.reason}"
        )
    print(f"{len(doomed)} to remove, {_mb(sum(verdict.entry.size_bytes for verdict in doomed))}.")


def _print_analysis(data_dir: Path, entries: Sequence[Entry]) -> None:
    print(f"{data_dir}: {_mb(sum(path.lstat().st_size for path in _below(data_dir)))} in all")
    for category in (*CATEGORIES, "orphaned WAL"):
        sizes = [entry.size_bytes for entry in entries if entry.category == category]
        print(f"{category:<13}{len(sizes):>6} entries{_mb(sum(sizes)):>13}")
    databases = [path for path in data_dir.glob("*.db") if path.is_file()]
    print(
        f"{'databases':<13}{len(databases):>6} files  {_mb(sum(path.stat().st_size for path in databases)):>13} (kept)"
    )


def _mb(size_bytes: int) -> str:
    return f"{size_bytes / 1_000_000:.2f} MB"


def _parser() -> argparse.ArgumentParser:
    default = Retention()
    parser = argparse.ArgumentParser(description="Remove old state from the data directory; databases always stay.")
    parser.add_argument("--dry-run", action="store_true", help="say what would be removed, change nothing")
    parser.add_argument("--analyze-only", action="store_true", help="say what uses the space, change nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask before removing (cron)")
    parser.add_argument("--archive-to", type=Path, metavar="DIR", help="archive each entry there before it is removed")
    for option, days in (
        ("--backup-days", default.backup_days),
        ("--session-days", default.session_days),
        ("--checkpoint-days", default.checkpoint_days),
        ("--artifact-days", default.artifact_days),
    ):
        parser.add_argument(option, type=_days, default=days, metavar="DAYS", help=f"default {days:g}")
    parser.add_argument(
        "--keep-backups", type=_count, default=default.keep_backups, metavar="N", help="latest ones, always"
    )
    parser.add_argument(
        "--data-dir", type=Path, default=Path(os.environ.get("ARAGORA_DATA_DIR") or ".nomic"), metavar="DIR"
    )
    return parser


def _count(text: str) -> int:
    count = int(text)
    if count < 0:
        raise argparse.ArgumentTypeError("must be 0 or more")
    return count


def _days(text: str) -> float:
    days = float(text)
    if not 0 <= days < 1e6:
        raise argparse.ArgumentTypeError("days must be 0 or more")
    return days


if __name__ == "__main__":
    sys.exit(main())
