"""A program small enough to be installed within a second, in the form in which `ray up` copies Aragora to a node.

Its scripts are the real ones; its Makefile makes an environment of one package, and notes each installation of packages
in the file DOWNLOADS, as a stand-in for what pip would load.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

REPOSITORY: Final = Path(__file__).parents[2]
MAKEFILE: Final = """\
install: .venv/.installed
.venv/.installed: requirements.lock scripts/link_checkout.py
	@test ! -e "$(ORDERS)/fail" || { echo "ERROR: no way to the registry"; exit 1; }
	@echo packages >> "$(ORDERS)/downloads"
	@$(PYTHON) -m venv --without-pip .venv
	@test ! -e "$(ORDERS)/kill" || { kill -9 `cut -d' ' -f4 /proc/$$PPID/stat`; \
		for number in `seq 300`; do mkdir -p "$(CURDIR)/goes/on/$$number"; done; }
	@echo 'SOME = "package"' | tee `echo .venv/lib/python3.*/site-packages`/some_package.py
	@printf '#!%s\\nimport sys, aragora, some_package\\nprint("ray of", aragora.__file__, *sys.argv[1:])\\n' \
		"$(CURDIR)/.venv/bin/python" > .venv/bin/ray
	@chmod 755 .venv/bin/ray
	@.venv/bin/python scripts/link_checkout.py
	@touch $@
"""
MAIN: Final = """\
import os, sys
import aragora
TOLD = ("ARAGORA_DATA_DIR", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH", "RAY_USAGE_STATS_ENABLED", "FROM_ENV")
def main():
    print(os.path.dirname(os.path.dirname(aragora.__file__)), *sys.argv[1:])
    for name in TOLD:
        print(name, os.environ.get(name, ""))
    return 0
"""


@dataclass(frozen=True, slots=True)
class Node:
    """A node's directory, /opt/aragora elsewhere, and the home of the user that owns it."""

    directory: Path

    @property
    def root(self) -> Path:
        return self.directory / "opt"

    @property
    def incoming(self) -> Path:
        return self.root / "incoming"

    @property
    def home(self) -> Path:
        return self.directory / "home"

    def orders(self, name: str) -> Path:
        """A file here is an order to the small program's Makefile (`fail`, `kill`), or its notes (`downloads`)."""
        return self.directory / "orders" / name

    def downloads(self) -> int:
        """How often packages were installed rather than shared."""
        notes = self.orders("downloads")
        return len(notes.read_text().splitlines()) if notes.exists() else 0

    def write(self, name: str, text: str) -> Path:
        """A file of the program, as if it had just been copied here."""
        file = self.incoming / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def command(self) -> list[str]:
        return [sys.executable, str(self.incoming / "scripts/install_release.py"), str(self.root)]

    def environment(self, **more: str) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.home), "ORDERS": str(self.directory / "orders"), **more}

    def install(self, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(), capture_output=True, text=True, timeout=300, check=False, env=self.environment(**more)
        )

    def installed(self) -> Path:
        """Install; the release that is current then."""
        done = self.install()
        assert done.returncode == 0, done.stdout + done.stderr
        return self.current()

    def current(self) -> Path:
        return self.root / (self.root / "current").readlink()

    def releases(self) -> set[str]:
        return {path.name for path in (self.root / "releases").iterdir()}

    def typed(self, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a program of `bin/`."""
        program, *arguments = command
        return subprocess.run(
            [str(self.root / "bin" / program), *arguments],
            capture_output=True, text=True, timeout=60, check=False, env=self.environment(**more),
        )  # fmt: skip


@contextmanager
def running(*command: str | Path, **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """A process that is killed at the end of the block, also where the test fails there."""
    process = subprocess.Popen(command, **options)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def node_with_small_program(directory: Path) -> Node:
    """A node to which the program has been copied."""
    node = Node(directory)
    for folder in (node.root, node.home, directory / "orders"):
        folder.mkdir(parents=True)
    copy_small_program(node.incoming)
    return node


def copy_small_program(place: Path) -> None:
    (place / "scripts/release").mkdir(parents=True)
    for name in ("install_release.py", "link_checkout.py"):
        shutil.copy2(REPOSITORY / "scripts" / name, place / "scripts" / name)
    for file in (REPOSITORY / "scripts/release").glob("*.py"):
        shutil.copy2(file, place / "scripts/release" / file.name)
    for name, text in {
        "Makefile": MAKEFILE,
        "requirements.lock": "some-package==1\n",
        "serve_app.py": "",
        "actors/__init__.py": "",
        "aragora/__init__.py": '__version__ = "1.0.0"\n',
        "aragora/cli/__init__.py": "",
        "aragora/cli/main.py": MAIN,
    }.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)


def node_with_this_program(directory: Path) -> Node:
    """A node to which this program has been copied, with an older release of it that shares this environment."""
    node = Node(directory)
    node.home.mkdir(parents=True)
    tracked = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "aragora", "actors", "scripts", "serve_app.py", "Makefile",
         "requirements.lock"],
        cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=60,
    ).stdout.splitlines()  # fmt: skip
    older = node.root / "releases/0-older"
    for name in tracked:
        if (REPOSITORY / name).is_file():
            for place in (node.incoming / name, older / name):
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(REPOSITORY / name, place)
    lends = "import sys; from pathlib import Path; from release import environment as e; old, new = map(Path, sys.argv[1:])\n"
    lends += "e._share(old / '.venv', new / '.venv'); e._relocate(new / '.venv', old, new)"
    command = [sys.executable, "-c", lends, REPOSITORY, older]
    subprocess.run(command, cwd=REPOSITORY / "scripts", check=True, timeout=300)
    return node
