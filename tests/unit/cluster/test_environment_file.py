"""The fresh `.env`: complete, read alike by the shell and by us, closed to others, never over another file."""

from __future__ import annotations

import os
import shlex
import stat
import subprocess
from pathlib import Path

import pytest

from aragora.cluster.environment_file import new_secrets, write_fresh_environment
from aragora.cluster.fresh_environment import fresh_environment
from aragora.cluster.needed import missing_for_cluster
from aragora.config.settings import load_settings, production_problems
from aragora.config.unknown import unknown_variables
from aragora.errors import Conflict, Misconfigured

URL = "postgresql://me:p%40ss@db/aragora?sslmode=require&application_name=x"


def sourced(file: Path) -> dict[str, str]:
    """What a shell that reads the file as the launchers do exports."""
    read = f"set -a; . {shlex.quote(str(file))}; env -0"
    done = subprocess.run(["/bin/sh", "-c", read], env={}, capture_output=True, text=True, check=True)
    pairs = (entry.partition("=")[::2] for entry in done.stdout.split("\0") if entry)
    return {name: value for name, value in pairs if name.startswith(("ARAGORA_", "DATABASE"))}


def test_with_the_database_filled_in_nothing_is_missing_for_a_cluster_in_production(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    write_fresh_environment(file)
    (line,) = missing_for_cluster(load_settings(sourced(file)))
    assert line.startswith("DATABASE_URL")
    file.write_text(file.read_text().replace("DATABASE_URL=\n", f"DATABASE_URL='{URL}'\n"))
    variables = sourced(file)
    settings = load_settings(variables)
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == URL
    assert missing_for_cluster(settings) == ()
    assert settings.production
    assert production_problems(settings) == []
    assert unknown_variables(variables) == {}


def test_a_line_that_is_only_a_comment_is_a_setting_once_it_is_none(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(fresh_environment(new_secrets()).replace("\n#ARAGORA_REDIS_URL", "\nARAGORA_REDIS_URL"))
    assert load_settings(sourced(file)).redis_url is not None


def test_only_its_owner_reads_it_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_fresh_environment(tmp_path / ".env")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600


def test_each_file_and_each_setting_has_a_secret_of_its_own(tmp_path: Path) -> None:
    values = []
    for name in ("one", "two"):
        write_fresh_environment(tmp_path / name)
        values += [value for value in sourced(tmp_path / name).values() if len(value) == 64]
    assert len(values) == len(set(values)) == 8


def test_neither_what_is_told_nor_the_repr_of_the_secrets_shows_one(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    write_fresh_environment(tmp_path / ".env")
    assert capfd.readouterr() == ("", "")
    made = new_secrets()
    assert made.jwt_secret not in repr(made)


@pytest.mark.parametrize("kind", ["file", "link", "dangling link", "directory"])
def test_what_stands_there_stays(kind: str, tmp_path: Path) -> None:
    file, target = tmp_path / ".env", tmp_path / "target"
    if kind == "directory":
        file.mkdir()
    elif kind == "file":
        file.write_text("mine")
    else:
        file.symlink_to(target)
        if kind == "link":
            target.write_text("mine")
    with pytest.raises(Conflict, match="left as it is"):
        write_fresh_environment(file)
    assert kind != "file" or file.read_text() == "mine"
    assert kind != "link" or target.read_text() == "mine"
    assert kind != "dangling link" or not target.exists()


def test_a_directory_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="cannot be made"):
        write_fresh_environment(tmp_path / "none" / ".env")


def test_a_full_disk_leaves_no_half_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Misconfigured, match="No space"):
        write_fresh_environment(tmp_path / ".env")
    assert list(tmp_path.iterdir()) == []
