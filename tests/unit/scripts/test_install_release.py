"""Releases of a node, installed as `ray up` does it, with a program that is small enough for that."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from worlds.small_program import REPOSITORY, Node, copy_small_program, node_with_small_program, running

rsync_is_here = pytest.mark.skipif(shutil.which("rsync") is None, reason="rsync is not here")


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return node_with_small_program(tmp_path)


def ran_from(node: Node, program: str = "aragora") -> str:
    done = node.typed(program)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_first_release_is_installed_linked_and_runs(node: Node) -> None:
    done = node.install(SSH_CONNECTION="10.0.0.1 5000 10.0.0.10 22")
    release = node.current()
    assert (done.returncode, done.stderr) == (0, "")
    assert f"aragora: {platform.node()} (10.0.0.10): runs release {release.name} (installed in" in done.stdout
    assert release.name.startswith("1.0.0-")
    assert len(release.name) == len("1.0.0-") + 12
    assert ran_from(node).startswith(f"{release}\n")
    assert ran_from(node, "ray") == f"ray of {release}/aragora/__init__.py\n"


def test_a_second_time_changes_nothing_and_loads_nothing(node: Node) -> None:
    release = node.installed()
    before = {path: path.lstat().st_ino for path in node.root.rglob("*") if path.name != "releases"}
    done = node.install()
    assert f"runs release {release.name} (was here)" in done.stdout
    after = {path: path.lstat().st_ino for path in node.root.rglob("*") if path.name != "releases"}
    changed = {path.name for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    assert changed <= {"current", "aragora", "ray", ".incoming-time"}, "only what is written anew in one step"
    assert node.downloads() == 1


def test_a_new_version_shares_the_packages_and_leaves_the_old_one_as_it_was(node: Node) -> None:
    old = node.installed()
    old_programs = {file.name: file.read_bytes() for file in (old / ".venv/bin").iterdir() if file.is_file()}
    node.write("aragora/news.py", "")
    new = node.installed()
    assert new != old
    assert node.downloads() == 1
    (package,) = new.glob(".venv/lib/python3*/site-packages/some_package.py")
    assert package.stat().st_nlink == 2
    assert ran_from(node).startswith(f"{new}\n")
    assert ran_from(node, "ray") == f"ray of {new}/aragora/__init__.py\n"
    for program in ("aragora", "ray"):
        done = subprocess.run([old / ".venv/bin" / program], capture_output=True, text=True, timeout=60, check=True)
        assert str(old) in done.stdout, "the old release runs its own code"
    assert {file.name: file.read_bytes() for file in (old / ".venv/bin").iterdir() if file.is_file()} == old_programs


def test_nothing_in_a_new_environment_names_another_place(node: Node) -> None:
    first = node.installed()
    node.write("aragora/news.py", "")
    second = node.installed()
    for release in (first, second):
        others = (b"/releases/.new-", os.fsencode(second if release == first else first))
        for file in release.rglob("*"):
            if file.is_file() and not file.is_symlink() and file.suffix != ".pyc":
                assert not any(other in file.read_bytes() for other in others), file


@pytest.mark.parametrize("shared", [False, True])
def test_make_finds_nothing_left_to_install_in_a_release(node: Node, shared: bool) -> None:
    release = node.installed()
    if shared:
        node.write("aragora/news.py", "")
        release = node.installed()
    asked = ["make", "-q", "install"]
    assert subprocess.run(asked, cwd=release, check=False, timeout=60, env=node.environment()).returncode == 0


def test_other_packages_are_installed(node: Node) -> None:
    node.installed()
    node.write("requirements.lock", "some-package==2\n")
    node.installed()
    assert node.downloads() == 2


def test_the_name_tells_contents_paths_and_executability_and_nothing_else(node: Node) -> None:
    first = node.installed()
    for file in node.incoming.rglob("*.py"):
        os.utime(file, (1_700_000_000, 1_700_000_000))
        file.chmod(0o600)
    node.write("aragora/__pycache__/x.pyc", "byte code")
    assert node.installed() == first
    names = {first.name}
    for change in (
        lambda: node.write("aragora/cli/main.py", (node.incoming / "aragora/cli/main.py").read_text() + "\n"),
        lambda: (node.incoming / "aragora/cli/main.py").chmod(0o755),
        lambda: (node.incoming / "serve_app.py").with_name("other.py").write_text(""),
        lambda: (node.incoming / "link").symlink_to("serve_app.py"),
        lambda: node.write("aragora/__init__.py", '__version__ = "1.1.0"\n'),
    ):
        change()
        names.add(node.installed().name)
    assert len(names) == 6
    assert node.current().name.startswith("1.1.0-")


def test_the_way_back_is_a_link(node: Node) -> None:
    old = node.installed()
    text = (node.incoming / "aragora/cli/main.py").read_text()
    node.write("aragora/cli/main.py", text + "\n")
    assert node.installed() != old
    node.write("aragora/cli/main.py", text)
    assert "(was here)" in node.install().stdout
    assert node.current() == old


def test_a_killed_installation_leaves_nothing_that_counts(node: Node) -> None:
    node.orders("kill").touch()
    assert node.install().returncode == -9
    assert not (node.root / "current").exists()
    assert all(name.startswith(".new-") for name in node.releases())
    node.orders("kill").unlink()
    release = node.installed()
    assert node.releases() == {release.name}
    assert ran_from(node).startswith(f"{release}\n")


def test_two_at_once_wait_for_each_other(node: Node) -> None:
    both = [
        subprocess.Popen(node.command(), stdout=subprocess.PIPE, text=True, env=node.environment()) for _ in range(2)
    ]
    told = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert len(node.releases()) == 1
    assert node.downloads() == 1
    assert sorted("was here" in text for text in told) == [False, True]


def test_a_release_that_does_not_run_any_more_is_made_again(node: Node) -> None:
    release = node.installed()
    (release / ".venv/bin/ray").unlink()
    assert node.installed() == release
    assert ran_from(node, "ray")
    assert node.releases() == {release.name}


def test_the_newest_three_stay_and_those_in_use(node: Node) -> None:
    first = node.installed()
    names = [first.name]
    with (first / "aragora/cli/main.py").open() as held, running("sleep", "600", stdin=held):
        for number in range(4):
            node.write("aragora/news.py", f"NUMBER = {number}\n")
            names.append(node.installed().name)
        assert node.releases() == {names[0], *names[-3:]}
    node.install()
    assert node.releases() == set(names[-3:])


def test_the_newest_are_those_that_were_current_last(node: Node) -> None:
    names = []
    for number in (1, 2, 3, 1, 4, 5):
        node.write("aragora/news.py", f"NUMBER = {number}\n")
        names.append(node.installed().name)
    assert node.releases() == set(names[3:])


def test_what_runs_keeps_its_release_by_directory_and_by_arguments(node: Node) -> None:
    old = node.installed()
    (old / "aragora/cli/wait.py").write_text("input()\n")
    for options in ({"cwd": old / "aragora"}, {}):
        place = "cli/wait.py" if options else str(old / "aragora/cli/wait.py")
        with running(sys.executable, place, stdin=subprocess.PIPE, **options):
            for number in range(4):
                node.write("aragora/news.py", f"NUMBER = {number}, {place!r}\n")
                node.installed()
            assert old.name in node.releases()
    node.install()
    assert old.name not in node.releases()


@rsync_is_here
def test_a_file_that_the_source_no_longer_has_is_no_part_of_the_next_release(node: Node, tmp_path: Path) -> None:
    """With the command of `ray up`, which never deletes: from the laptop to the head, from there to a worker."""
    laptop = tmp_path / "laptop"
    copy_small_program(laptop)
    (tmp_path / "worker").mkdir()
    worker = node_with_small_program(tmp_path / "worker/node")
    shutil.rmtree(worker.incoming)

    def ray_up() -> Path:
        releases = []
        for source, target in ((laptop, node), (node.incoming, worker)):
            subprocess.run(["rsync", "-avz", f"{source}/", f"{target.incoming}/"], check=True, stdout=-3, timeout=60)
            releases.append(target.installed())
        assert releases[0].name == releases[1].name, "the same on every node"
        return releases[1]

    first = ray_up()
    (laptop / "aragora/migrations").mkdir()
    (laptop / "aragora/migrations/0002_new.py").write_text("REVISION = 2\n")
    ray_up()
    (laptop / "aragora/migrations/0002_new.py").rename(laptop / "aragora/migrations/0002_renamed.py")
    renamed = ray_up()
    assert [file.name for file in (renamed / "aragora/migrations").glob("*.py")] == ["0002_renamed.py"]
    (laptop / "aragora/migrations/0002_renamed.py").write_text("REVISION = 3\n")  # the same length, the same second
    assert (ray_up() / "aragora/migrations/0002_renamed.py").read_text() == "REVISION = 3\n"
    shutil.rmtree(laptop / "aragora/migrations")
    assert ray_up().name == first.name, "the way back leads to the first release"


def test_a_file_put_there_by_hand_removes_no_other(node: Node) -> None:
    node.installed()
    node.write("aragora/mended.py", "")
    release = node.installed()
    assert (release / "aragora/cli/main.py").exists()
    assert (release / "aragora/mended.py").exists()
    assert node.installed() == release


def refused(node: Node, **more: str) -> str:
    done = node.install(**more)
    assert done.returncode == 1, done.stdout
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"aragora: {platform.node()}")
    return line


def test_a_missing_directory_is_told_with_its_remedy(node: Node) -> None:
    node.root.rename(node.directory / "elsewhere")
    script = node.directory / "elsewhere/incoming/scripts/install_release.py"
    done = subprocess.run(
        [sys.executable, script, node.root],
        capture_output=True, text=True, timeout=60, check=False, env=node.environment(),
    )  # fmt: skip
    assert done.returncode == 1
    assert f"there is no directory {node.root}: type `sudo install -d -o " in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_directory_of_somebody_else_is_told_with_its_remedy(node: Node) -> None:
    os.chown(node.root, 12345, 12345)
    assert f"{node.root} does not belong to root: type `sudo install -d -o root {node.root}`" in refused(node)


def test_an_incomplete_copy_is_told(node: Node) -> None:
    (node.incoming / "serve_app.py").unlink()
    assert "is not complete (there is no serve_app.py): type `ray up` again" in refused(node)


def test_packages_that_cannot_be_installed_are_told_with_pips_reason_and_leave_the_old_release(node: Node) -> None:
    old = node.installed()
    node.write("requirements.lock", "some-package==2\n")
    node.orders("fail").touch()
    line = refused(node)
    assert (
        f"the packages were not installed: ERROR: no way to the registry (all of it: {node.root}/install.log)" in line
    )
    assert node.current() == old
    assert node.releases() == {old.name}


def test_a_missing_make_is_told(node: Node, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "`make` is not installed" in refused(node, PATH=str(tmp_path / "empty"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
def test_a_full_disk_is_told_before_anything_is_copied(node: Node) -> None:
    mounted = f"mount -t tmpfs -o size=20m small {node.root} && cp -a {node.directory}/copy/. {node.root}/ && exec "
    shutil.copytree(node.root, node.directory / "copy")
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", mounted + " ".join(node.command())],
        capture_output=True, text=True, timeout=60, check=False, env=node.environment(),
    )  # fmt: skip
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip("namespaces are refused here")
    assert done.returncode == 1
    assert "MB are free in" in done.stderr
    assert "make room, then try again" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_old_python_is_told_with_its_remedy(node: Node) -> None:
    acts_old = "import runpy, sys; sys.version_info = (3, 9, 2); sys.argv = sys.argv[1:]; "
    acts_old += "runpy.run_path(sys.argv[0], run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", acts_old, *node.command()[1:]],
        capture_output=True, text=True, timeout=60, check=False, env=node.environment(),
    )  # fmt: skip
    assert done.returncode == 1
    assert f"aragora: {platform.node()}: python3 is version 3.9.2, and 3.11 or newer is needed" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_wrong_call_is_told() -> None:
    script = REPOSITORY / "scripts/install_release.py"
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr == "usage: python3 ROOT/incoming/scripts/install_release.py ROOT\n"


def test_one_waits_while_another_is_at_work(node: Node) -> None:
    holds = (
        "import fcntl, sys; file = open(sys.argv[1], 'w'); fcntl.flock(file, fcntl.LOCK_EX); print(flush=True); input()"
    )
    lock = str(node.root / ".install.lock")
    with running(sys.executable, "-c", holds, lock, stdin=-1, stdout=-1, text=True) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with running(*node.command(), stdout=-1, text=True, env=node.environment()) as waiting:
            assert waiting.stdout is not None
            assert "another installation is at work; waiting for its end" in waiting.stdout.readline()
            assert not (node.root / "releases").exists()
            holder.communicate("\n", timeout=60)
            waiting.communicate(timeout=300)
            assert waiting.returncode == 0
