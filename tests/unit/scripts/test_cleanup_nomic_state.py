"""The cleanup script, typed as the runbook types it."""

from __future__ import annotations

import importlib.util
import os
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds.denied import unseen

SCRIPT = Path(__file__).parents[3] / "scripts" / "cleanup_nomic_state.py"


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("cleanup_nomic_state", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["cleanup_nomic_state"] = module
    spec.loader.exec_module(module)
    return module


cleanup = _load()
RUNBOOK_ESSENTIALS = [
    "core.db",
    "memory.db",
    "agents.db",
    "debates.db",
    "agent_elo.db",
    "agent_memories.db",
    "agent_calibration.db",
    "consensus_memory.db",
    "continuum.db",
    "continuum_memory.db",
    "users.db",
    "usage.db",
    "scheduled_debates.db",
]


def put(root: Path, name: str, days_old: float, content: str = "x") -> Path:
    """A file of that age, and its folders as old as it."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    moment = time.time() - days_old * 86_400
    for item in (path, *path.parents):
        if item == root:
            break
        os.utime(item, (moment, moment))
    return path


def run(data_dir: Path, *arguments: str) -> int:
    code: int = cleanup.main(["--data-dir", str(data_dir), *arguments])
    return code


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    root = tmp_path / "state"
    for name in RUNBOOK_ESSENTIALS:
        put(root, name, 400)
    for index in range(8):
        put(root, f"backups/backup_cycle_{index}/core.db", 10 + index)
    put(root, "sessions/old/events.json", 4)
    put(root, "sessions/new/events.json", 2)
    put(root, "sessions/test_run/events.json", 2)
    put(root, "checkpoints/cp-1.json.gz", 8)
    put(root, "checkpoints/cp-2.json.gz", 6)
    put(root, "root-artifacts/20240101T000000Z/dump.txt", 8)
    put(root, "gone.db-wal", 0)
    put(root, "core.db-wal", 0)
    put(root, "incidents/2024-01-01-outage.md", 900)
    return root


def test_a_dry_run_changes_nothing_and_names_what_would_go(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = tree(data_dir)
    assert run(data_dir, "--dry-run") == 0
    assert tree(data_dir) == before
    told = capsys.readouterr().out
    assert "sessions/old" in told
    assert "sessions/new" not in told


def test_the_default_retentions_are_those_of_the_runbook(data_dir: Path) -> None:
    assert run(data_dir, "--yes") == 0
    left = tree(data_dir)
    assert sorted(name.split("/")[1] for name in left if name.startswith("backups/")) == [
        f"backup_cycle_{index}" for index in range(5)
    ]
    assert "sessions/new/events.json" in left
    assert "checkpoints/cp-2.json.gz" in left
    assert "core.db-wal" in left
    assert "incidents/2024-01-01-outage.md" in left
    for gone in ("sessions/old", "sessions/test_run", "checkpoints/cp-1.json.gz", "root-artifacts/2024", "gone.db-wal"):
        assert not any(name.startswith(gone) for name in left), gone
    assert set(RUNBOOK_ESSENTIALS) <= left.keys()


def test_the_wal_of_an_essential_database_stays_also_while_its_database_is_away(tmp_path: Path) -> None:
    for name in RUNBOOK_ESSENTIALS:
        put(tmp_path, f"{name}-wal", 400)
        put(tmp_path, f"{name}-shm", 400)
    put(tmp_path, "other.db-wal", 0)

    assert run(tmp_path, "--yes") == 0

    assert set(tree(tmp_path)) == {f"{name}{tail}" for name in RUNBOOK_ESSENTIALS for tail in ("-wal", "-shm")}


def test_an_archive_is_readable_by_its_owner_alone(data_dir: Path, tmp_path: Path) -> None:
    assert run(data_dir, "--yes", "--archive-to", str(tmp_path / "archive")) == 0
    made = [tmp_path / "archive", *(tmp_path / "archive").iterdir()]
    assert len(made) > 1
    assert not [path for path in made if path.stat().st_mode & 0o077]


def test_retention_periods_can_be_set(data_dir: Path) -> None:
    assert run(data_dir, "--backup-days", "14", "--session-days", "5", "--checkpoint-days", "9", "--yes") == 0
    left = tree(data_dir)
    assert "sessions/old/events.json" in left
    assert "checkpoints/cp-1.json.gz" in left
    assert sum(name.startswith("backups/") for name in left) == 5


def test_what_is_archived_can_be_restored(data_dir: Path, tmp_path: Path) -> None:
    archive = tmp_path / "nomic_archive"
    assert run(data_dir, "--archive-to", str(archive), "--yes") == 0
    (restorable,) = archive.glob("sessions-old-*.tar.gz")
    with tarfile.open(restorable) as packed:
        assert "old/events.json" in packed.getnames()
    assert not list(archive.glob("*.partial"))


def test_an_entry_that_cannot_be_archived_stays(data_dir: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a directory")
    before = tree(data_dir)
    assert run(data_dir, "--archive-to", str(blocked), "--yes") == 1
    assert tree(data_dir) == before


def test_an_archive_inside_what_is_cleaned_is_refused(data_dir: Path) -> None:
    assert run(data_dir, "--archive-to", str(data_dir / "backups" / "archive"), "--yes") == 2


def test_without_a_person_or_yes_nothing_is_removed(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", lambda _prompt: (_ for _ in ()).throw(EOFError))
    before = tree(data_dir)
    assert run(data_dir) == 2
    assert tree(data_dir) == before


def test_a_person_can_confirm(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", lambda _prompt: "y")
    assert run(data_dir) == 0
    assert not (data_dir / "sessions" / "old").exists()


def test_analyze_only_changes_nothing(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = tree(data_dir)
    assert run(data_dir, "--analyze-only") == 0
    assert tree(data_dir) == before
    assert "backups" in capsys.readouterr().out


def test_a_link_is_removed_but_never_followed(data_dir: Path, tmp_path: Path) -> None:
    outside = put(tmp_path / "elsewhere", "precious.txt", 100)
    link = data_dir / "sessions" / "link"
    link.symlink_to(outside.parent)
    os.utime(link, (0, 0), follow_symlinks=False)
    assert run(data_dir, "--yes") == 0
    assert outside.exists()
    assert not link.is_symlink()


def test_a_category_that_is_a_link_is_left_alone(data_dir: Path) -> None:
    (data_dir / "artifacts").symlink_to(data_dir)
    assert run(data_dir, "--yes", "--artifact-days", "0") == 0
    assert set(RUNBOOK_ESSENTIALS) <= tree(data_dir).keys()


def test_a_missing_data_directory_is_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path / "nowhere") == 2
    assert "--data-dir" in capsys.readouterr().err


def test_a_data_directory_that_cannot_be_looked_at_is_one_clear_line(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    unseen(monkeypatch, data_dir.parent)
    assert run(data_dir, "--dry-run") == 2
    told = capsys.readouterr().err
    assert str(data_dir) in told
    assert "cannot be read (Permission denied)" in told


folders = st.sampled_from(["", "backups", "sessions", "checkpoints", "artifacts", "root-artifacts"])
entries = st.sampled_from(["", "a", "test_b", "backup_cycle_1_20240101_000000"])
names = st.sampled_from([*cleanup.ESSENTIAL, "core.db-wal", "users.db-shm", "other.db", "x.db-wal", "note.txt"])
files = st.lists(st.tuples(folders, entries, names, st.floats(0, 3000)), max_size=12)
days = st.integers(0, 5).map(str)


@given(files, days, days, st.booleans())
@settings(max_examples=150, deadline=None)
def test_no_essential_database_is_ever_deleted(
    layout: list[tuple[str, str, str, float]], backup_days: str, other_days: str, archives: bool
) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "state"
        root.mkdir()
        for folder, entry, name, age in layout:
            put(root, "/".join(part for part in (folder, entry, name) if part), age)
        before = tree(root)
        arguments = ["--backup-days", backup_days, "--keep-backups", "0", "--yes"]
        arguments += ["--session-days", other_days, "--checkpoint-days", other_days, "--artifact-days", other_days]
        arguments += ["--archive-to", f"{scratch}/archive"] if archives else []
        assert run(root, *arguments) == 0
        left = tree(root)
        for name, content in before.items():
            inside_a_backup = name.startswith("backups/") and name.count("/") > 1
            if Path(name).name in cleanup.ESSENTIAL and not inside_a_backup:
                assert left.get(name) == content, name
            if name.endswith(".db") and "/" not in name:
                assert left.get(name) == content, name
        assert left.items() <= before.items()
