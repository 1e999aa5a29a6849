"""The build installs from the lock alone and names no registry; the CI runs the README's command."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sysconfig
import venv
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TARGETS = ("demo", "test", "lint", "types", "serve", "bench", "clean", "install", "install-dev")


def make(*arguments: str, directory: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    return subprocess.run(
        ["make", *arguments], cwd=directory, capture_output=True, text=True, timeout=60, check=False, env=environment
    )


def test_help_lists_every_target() -> None:
    told = make("help").stdout
    assert all(f"make {target} " in told for target in TARGETS)


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_can_be_planned(target: str) -> None:
    assert make("-n", target).returncode == 0


def test_test_runs_lint_format_types_floors_and_all_tests() -> None:
    plan = make("-n", "test").stdout
    for command in ("ruff check .", "ruff format --check .", "mypy --strict", "lint-imports", "python -m pytest"):
        assert command in plan


def test_the_test_command_leaves_no_test_out_but_the_drills() -> None:
    runs = [shlex.split(line) for line in make("-n", "test").stdout.splitlines() if " -m pytest " in line]
    run = {word for words in runs for before, word in pairwise(words) if before != "--ignore" and _is_tests(word)}
    ignored = {word for words in runs for before, word in pairwise(words) if before == "--ignore"}
    chosen = {word for words in runs for before, word in pairwise(words[3:]) if before in ("-m", "-k", "--deselect")}
    holding = {"/".join(file.relative_to(ROOT).parts[:2]) for file in (ROOT / "tests").rglob("test_*.py")}
    assert run - ignored == holding
    assert ignored <= run, "what one run leaves out another one runs"
    assert chosen == {"not drill"}


def _is_tests(word: str) -> bool:
    return word.startswith("tests/")


@pytest.mark.parametrize("question", ['It costs $5: "really", isn\'t it?', "`id` $(id) #1 100%", ""])
def test_the_demo_takes_a_question_with_any_characters(tmp_path: Path, question: str) -> None:
    asked = tmp_path / "asked"
    for name in ("bin/python", "bin/aragora", ".installed"):
        path = tmp_path / "venv" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > "{asked}"\n')
        path.chmod(0o755)
    done = make("demo", f"VENV={tmp_path}/venv", f"Q={question}")
    assert done.returncode == 0, done.stderr
    assert asked.read_text() == (f"demo\n{question}\n" if question else "demo\n")


def test_installation_is_pinned_by_hashes_and_resolves_nothing() -> None:
    plan = make("-n", "install-dev", "VENV=/nonexistent/venv").stdout
    assert "--require-hashes" in plan
    assert "--no-deps" in plan


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_every_locked_package_has_a_hash_and_no_source_is_named(name: str) -> None:
    text = (ROOT / name).read_text()
    assert not re.search(r"--(extra-)?index-url|--find-links|--trusted-host|https?://", text)
    requirements = re.split(r"\n(?=[A-Za-z0-9])", text.strip())
    assert len(requirements) > 100
    assert [entry.split("\n")[0] for entry in requirements if "==" in entry and "--hash=sha256:" not in entry] == []


def test_the_development_lock_holds_what_the_server_is_locked_to() -> None:
    server, development = (
        set(re.findall(r"^([A-Za-z0-9._\[\],-]+==\S+)", (ROOT / name).read_text(), re.MULTILINE))
        for name in ("requirements.lock", "requirements-dev.lock")
    )
    assert server <= development


def test_the_build_names_no_registry() -> None:
    names = ("create_venv.sh", "link_checkout.py", "unpack_debian_packages.sh", "install_release.py")
    scripts = [ROOT / "scripts" / name for name in names] + [*(ROOT / "scripts/release").glob("*.py")]
    for file in (ROOT / "Makefile", ROOT / ".ci/run", ROOT / "pyproject.toml", *scripts):
        assert not re.search(r"index-url|https?://", file.read_text()), file


def test_the_ci_runs_the_readmes_test_command_and_fails_with_it() -> None:
    script = ROOT / ".ci/run"
    assert os.access(script, os.X_OK)
    assert script.read_text().rstrip().endswith("exec make test")
    assert "set -eu" in script.read_text()
    opening = (ROOT / "README.md").read_text().split("```")[1]
    assert [line.split("#")[0].strip() for line in opening.splitlines()[1:3]] == ["make demo", "make test"]


def test_where_there_are_no_debian_packages_that_is_told_and_is_no_failure(tmp_path: Path) -> None:
    done = subprocess.run(
        ["/bin/sh", str(ROOT / "scripts/unpack_debian_packages.sh"), str(tmp_path / "debian"), "nginx"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0
    assert "tests of nginx are skipped" in done.stderr
    assert not (tmp_path / "debian").exists()


def test_an_old_python_is_refused_with_what_to_do(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", str(ROOT / "scripts/create_venv.sh"), str(tmp_path / "venv")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": str(tmp_path)},
    )
    assert done.returncode == 1
    assert "no Python 3.11 or newer" in done.stderr
    assert "make PYTHON=" in done.stderr


@pytest.mark.slow
def test_a_linked_checkout_has_the_command_even_on_a_path_with_spaces(tmp_path: Path) -> None:
    """The launcher is what `make install` leaves behind; dependencies are lent from this environment."""
    home = tmp_path / "a place"
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    subprocess.run([python, ROOT / "scripts/link_checkout.py"], check=True, timeout=120)
    lent = {"PYTHONPATH": sysconfig.get_path("purelib"), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [home / "bin" / "aragora", "--version"], capture_output=True, text=True, timeout=60, check=True, env=lent
    )
    assert done.stdout == "aragora 1.0.0\n"
