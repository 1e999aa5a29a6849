"""Put this checkout into the virtual environment that runs this script: importable, and `aragora` on its path.

An editable install without a build backend: a .pth file and a launcher. Also compiles the byte code of all that
is installed, in parallel, because imports dominate the start-up of a server with one process per agent.
Standard library only: it runs before anything else is there.
"""

from __future__ import annotations

import compileall
import shlex
import sys
import sysconfig
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
LAUNCHER: Final = """\
#!/bin/sh
'''exec' {python} "$0" "$@"
' '''
import sys

from aragora.cli.main import main

sys.exit(main())
"""  # sh reads the second line, Python a string: no shebang breaks on a long path or one with a space


def main() -> int:
    site = Path(sysconfig.get_path("purelib"))
    write_anew(site / "aragora-checkout.pth", f"{ROOT}\n", 0o644)
    launcher = LAUNCHER.format(python=shlex.quote(sys.executable))
    write_anew(Path(sysconfig.get_path("scripts")) / "aragora", launcher, 0o755)
    compile_tree(site)
    for package in ("aragora", "actors"):
        compile_tree(ROOT / package)
    return 0


def write_anew(file: Path, text: str, mode: int) -> None:
    """Write a new file in the place of the old one, which may be shared with another environment by a hard link."""
    fresh = file.with_name(f".{file.name}.new")
    fresh.write_text(text, encoding="utf-8")
    fresh.chmod(mode)
    fresh.replace(file)


def compile_tree(tree: Path) -> None:
    """Compile every module below `tree`; files that are no Python (templates inside packages) are passed over."""
    compileall.compile_dir(tree, quiet=2, workers=0)


if __name__ == "__main__":
    sys.exit(main())
