"""What the server makes is readable by its owner alone, and what was left open is closed."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from aragora.private_files import OTHERS, make_files_private, open_to_others, repair

ROOT = Path(__file__).parents[2]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_what_is_made_afterwards_is_the_owners_alone(tmp_path: Path) -> None:
    make_files_private()
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    assert (mode(tmp_path / "folder"), mode(tmp_path / "file")) == (0o700, 0o600)


def test_wide_modes_are_found_and_closed_and_owners_keep_their_rights(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "logs").mkdir(parents=True)
    for name in ("users.db", "users.db-wal", "users.db-shm", "logs/server.log"):
        (data / name).write_text("x")
    (data / "run").mkdir()
    (data / "run" / "tool").write_text("x")
    (data / "run" / "tool").chmod(0o755)
    assert len(list(open_to_others(data))) == 8
    assert repair(data).closed == 8
    assert list(open_to_others(data)) == []
    assert (mode(data), mode(data / "users.db"), mode(data / "run" / "tool")) == (0o700, 0o600, 0o700)
    assert repair(data).closed == 0


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "theirs").write_text("x")
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    (data / "keys").symlink_to(outside)
    (data / "logs").symlink_to(tmp_path / "nowhere")
    assert repair(data).closed == 0
    assert mode(outside / "theirs") & OTHERS


def test_what_is_not_the_servers_stays_as_it_is(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "other-service").mkdir(parents=True)
    (data / "other-service" / "socket").touch()
    (data / "keys").mkdir()
    (data / "keys" / "key").touch()
    for path in (data, data / "other-service"):
        path.chmod(0o755)
    assert repair(data).closed == 2
    assert [mode(path) for path in (data, data / "other-service", data / "keys")] == [0o755, 0o755, 0o700]


def test_a_directory_for_everybody_stays_so_whatever_is_in_it(tmp_path: Path) -> None:
    shared = tmp_path / "tmp"
    (shared / "run").mkdir(parents=True)
    shared.chmod(0o1777)
    assert repair(shared).closed == 1
    assert mode(shared) == 0o1777


def test_what_another_user_owns_is_named_and_left_even_by_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "logs").mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    found = repair(tmp_path)
    assert (found.closed, tmp_path / "logs" in found.left) == (0, True)


def test_what_cannot_be_changed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "theirs.db").write_text("x")

    def refused(*_: object, **__: object) -> None:
        raise PermissionError("not the owner")

    monkeypatch.setattr(Path, "chmod", refused)
    found = repair(tmp_path)
    assert (found.closed, tmp_path / "theirs.db" in found.left) == (0, True)


def test_a_directory_that_is_not_there_has_nothing_open(tmp_path: Path) -> None:
    assert list(open_to_others(tmp_path / "none")) == []


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["-m", "aragora.migrations.apply"], 0),
        (["-m", "aragora.storage.migrations.encrypt_existing_data", "--all", "--execute"], 0),
        (["-m", "aragora.cli", "doctor", "--url", "http://127.0.0.1:9"], None),
        (["-m", "aragora.security.audit", "verify"], None),
    ],
)
def test_no_command_leaves_a_file_that_others_can_read(command: list[str], code: int | None, tmp_path: Path) -> None:
    data = tmp_path / "data"
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "ARAGORA_DATA_DIR": str(data),
        "ARAGORA_ENCRYPTION_KEY": "ab" * 32,
    }
    if command[1] != "aragora.migrations.apply":
        subprocess.run([sys.executable, "-m", "aragora.migrations.apply"], env=environ, check=True, capture_output=True)
    done = subprocess.run(
        [sys.executable, *command], env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert code is None or done.returncode == code, done.stderr
    assert list(open_to_others(data)) == []
