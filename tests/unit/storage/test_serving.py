"""Whether a server works on a store: its lock file, who is named in it, and whose it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aragora.composition.preflight import single_instance
from aragora.config.settings import Settings
from aragora.errors import Conflict, Misconfigured
from aragora.migrations.applying import migrating_alone
from aragora.storage.serving import LOCK_FILE, server_not_seen, without_server


def test_the_process_id_stands_in_the_lock_file_only_while_the_lock_is_held(tmp_path: Path) -> None:
    with single_instance(tmp_path):
        assert (tmp_path / LOCK_FILE).read_text() == str(os.getpid())
    assert (tmp_path / LOCK_FILE).read_text() == ""


async def test_what_works_without_a_server_names_itself_and_keeps_a_server_from_starting(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / LOCK_FILE).write_text("4711")  # of a server that was killed
    async with without_server(Settings(data_dir=tmp_path)):
        assert (tmp_path / LOCK_FILE).read_text() == str(os.getpid())
        with pytest.raises(Misconfigured, match=f"process {os.getpid()}"), single_instance(tmp_path):
            raise AssertionError
    assert (tmp_path / LOCK_FILE).read_text() == ""


async def test_looking_for_a_server_makes_no_file_and_finds_one_that_runs(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    async with server_not_seen(settings):
        assert not (tmp_path / "run").exists()
    with single_instance(tmp_path):
        with pytest.raises(Conflict, match=f"process {os.getpid()}"):
            async with server_not_seen(settings):
                raise AssertionError
        assert (tmp_path / LOCK_FILE).read_text() == str(os.getpid())


async def test_a_lock_file_that_cannot_be_opened_is_one_line_with_its_path(tmp_path: Path) -> None:
    (tmp_path / LOCK_FILE).mkdir(parents=True)
    (tmp_path / ".migrations.lock").mkdir()
    settings = Settings(data_dir=tmp_path)
    with pytest.raises(Misconfigured, match=r"run/server\.lock cannot be opened.*chown"), single_instance(tmp_path):
        raise AssertionError
    with pytest.raises(Misconfigured, match=r"run/server\.lock cannot be opened.*chown"):
        async with without_server(settings):
            raise AssertionError
    with pytest.raises(Misconfigured, match=r"\.migrations\.lock cannot be opened.*chown"):
        async with migrating_alone(settings):
            raise AssertionError


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files for others")
async def test_what_root_makes_belongs_to_the_owner_of_the_directory(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 12346)
    settings = Settings(data_dir=tmp_path)
    async with without_server(settings), migrating_alone(settings):
        pass
    for name in ("run", LOCK_FILE, ".migrations.lock"):
        found = (tmp_path / name).stat()
        assert (found.st_uid, found.st_gid) == (12345, 12346)
