"""The file agents.toml while a process runs: read again when it changes, the last good one kept while it is wrong."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs
from worlds.waiting import eventually

from aragora.agents.agents_file import KEPT_NAME, NAME, WORK, AgentsFile
from aragora.agents.catalog import Catalog, available, check
from aragora.agents.declared import NOTHING
from aragora.config.settings import Settings
from aragora.errors import Misconfigured
from aragora.observability.logging import setup
from aragora.observability.registry import Registry
from aragora.supervision import Loops

ONE = "[agents.ann]\nprovider = 'local'\n"
TWO = ONE + "[agents.bob]\nprovider = 'local'\n"
WRONG = ONE + "modle = 'x'\n"


@pytest.fixture
def loops() -> Loops:
    return Loops(Registry())


@pytest.fixture
def file(tmp_path: Path, loops: Loops) -> AgentsFile:
    return opened(tmp_path, loops)


def opened(directory: Path, loops: Loops, *, named: bool = False) -> AgentsFile:
    """The file as a process that begins now has it."""
    return AgentsFile(directory / NAME, directory / KEPT_NAME, named=named, loops=loops)


def write(file: AgentsFile, text: str) -> None:
    """As editors do: under another name, then moved into place."""
    draft = file.path.with_suffix(".new")
    draft.write_text(text)
    draft.replace(file.path)


def names(file: AgentsFile) -> list[str]:
    return [agent.name for agent in file.current().agents]


def test_without_a_file_nothing_is_declared(file: AgentsFile) -> None:
    assert file.current() is NOTHING
    assert file.problem is None


def test_a_change_is_seen_by_whoever_asks_next(file: AgentsFile) -> None:
    write(file, ONE)
    assert names(file) == ["ann"]
    write(file, TWO)
    assert names(file) == ["ann", "bob"]
    file.path.unlink()
    assert names(file) == []


def test_the_file_is_not_read_again_while_nothing_changes(file: AgentsFile, monkeypatch: pytest.MonkeyPatch) -> None:
    write(file, ONE)
    first = file.current()

    def unread(*_: object) -> None:
        raise AssertionError("it was read again")

    monkeypatch.setattr(AgentsFile, "_read", unread)
    assert file.current() is first


def test_a_file_that_was_only_touched_declares_the_same_object(file: AgentsFile) -> None:
    write(file, ONE)
    first = file.current()
    write(file, "# nothing new\n" + ONE)
    assert file.current() is first


def test_a_file_that_became_wrong_leaves_the_last_good_one_in_force_and_is_told_once(
    file: AgentsFile, loops: Loops
) -> None:
    write(file, TWO)
    before = file.current()
    write(file, WRONG)
    with capture_logs() as logs:
        assert file.current() is before
        assert file.current() is before
    assert [line["log_level"] for line in logs] == ["error"]
    assert "line 3, agents.ann.modle" in logs[0]["problem"]
    assert "line 3, agents.ann.modle" in str(file.problem)
    assert loops.troubled() == (WORK,)
    write(file, ONE)
    assert names(file) == ["ann"]
    assert file.problem is None
    assert loops.troubled() == ()


async def test_a_mended_file_is_seen_also_where_nobody_asks_for_an_agent_again(
    file: AgentsFile, loops: Loops, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An idle process would tell of the trouble until it ends, and the server's health with it."""
    monkeypatch.setattr("aragora.agents.agents_file.LOOK_AGAIN_S", 0.01)
    write(file, WRONG)
    file.current()
    write(file, WRONG + "# still\n")
    await eventually(lambda: "line 3" in str(file.problem))
    assert loops.troubled() == (WORK,)
    write(file, ONE)
    await eventually(lambda: loops.troubled() == ())
    assert file.problem is None


def test_a_process_that_begins_while_the_file_is_wrong_has_what_another_read_last(
    file: AgentsFile, tmp_path: Path, loops: Loops
) -> None:
    write(file, TWO)
    file.current()
    write(file, WRONG)
    assert names(opened(tmp_path, loops)) == ["ann", "bob"]


def test_what_is_kept_is_the_owner_s_alone_and_gone_with_the_file(
    file: AgentsFile, tmp_path: Path, loops: Loops
) -> None:
    write(file, ONE)
    file.current()
    file.path.unlink()
    file.current()
    assert [path.name for path in tmp_path.iterdir()] == []
    write(file, WRONG)
    assert names(opened(tmp_path, loops)) == []


def test_a_data_directory_that_cannot_be_written_costs_the_copy_only(tmp_path: Path, loops: Loops) -> None:
    (tmp_path / NAME).write_text(ONE)
    file = AgentsFile(tmp_path / NAME, tmp_path / "no directory" / KEPT_NAME, named=True, loops=loops)
    assert names(file) == ["ann"]


def test_a_file_that_a_setting_names_has_to_be_there(tmp_path: Path, loops: Loops) -> None:
    file = opened(tmp_path, loops, named=True)
    with pytest.raises(Misconfigured, match="there is no such file"):
        file.check()
    assert file.current() is NOTHING
    assert "ARAGORA_AGENTS_FILE" in str(file.problem)


def test_a_directory_in_its_place_is_told(file: AgentsFile) -> None:
    file.path.mkdir()
    with pytest.raises(Misconfigured, match="cannot be read"):
        file.check()


def test_a_pipe_in_its_place_is_told_and_not_waited_for(file: AgentsFile) -> None:
    os.mkfifo(file.path)
    with pytest.raises(Misconfigured, match="no regular file"):
        file.check()


def test_a_file_that_could_not_be_read_for_a_moment_is_read_when_somebody_asks_next(
    file: AgentsFile, loops: Loops, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_more_files(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    write(file, ONE)
    with monkeypatch.context() as meanwhile, capture_logs() as logs:
        meanwhile.setattr(Path, "open", no_more_files)
        assert (names(file), names(file)) == ([], [])
    assert "Too many open files" in str([line for line in logs if "problem" in line])
    assert len([line for line in logs if "problem" in line]) == 1
    assert names(file) == ["ann"]
    assert (file.problem, loops.troubled()) == (None, ())


def test_the_check_at_the_start_counts_no_copy_and_leaves_none(file: AgentsFile, tmp_path: Path) -> None:
    write(file, ONE)
    assert [agent.name for agent in file.check().agents] == ["ann"]
    assert not (tmp_path / KEPT_NAME).exists()
    file.current()
    write(file, WRONG)
    with pytest.raises(Misconfigured, match="line 3"):
        file.check()


def settings_of(directory: Path, **more: object) -> Settings:
    return Settings.model_validate(
        {"data_dir": directory, "embedded_agents": False, "local_base_url": "http://l/v1", **more}
    )


def test_the_catalog_follows_the_file_without_a_restart(tmp_path: Path) -> None:
    catalog = Catalog(settings_of(tmp_path))
    before = catalog.roster()
    assert catalog.roster() is before
    (tmp_path / NAME).write_text(ONE)
    assert catalog.roster().specs[0].name == "ann"
    (tmp_path / NAME).write_text(WRONG)
    assert catalog.roster().specs[0].name == "ann"
    assert "modle" in str(catalog.problem)


def test_a_setting_may_name_another_file(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.toml"
    elsewhere.write_text(ONE)
    settings = settings_of(tmp_path / "data", agents_file=elsewhere)
    assert available(settings)[0].name == "ann"
    elsewhere.write_text(WRONG)
    with pytest.raises(Misconfigured, match=r"elsewhere\.toml line 3"):
        check(settings)


def test_a_key_that_the_file_names_is_kept_out_of_the_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPU_BOX_KEY", "plain words 4711")
    stream = io.StringIO()
    setup("INFO", stream=stream)
    catalog = Catalog(settings_of(tmp_path))
    catalog.roster()
    (tmp_path / NAME).write_text(ONE + "key_variable = 'GPU_BOX_KEY'\n")
    catalog.roster()
    structlog.get_logger("test").info("the server said: plain words 4711")
    assert "the server said" in stream.getvalue()
    assert "4711" not in stream.getvalue()
