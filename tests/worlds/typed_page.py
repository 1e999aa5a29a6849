"""Types the commands of a page of the documentation, one after the other in one shell, against a running server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from worlds.live_server import ROOT, LiveServer

_BLOCK = re.compile(r"(?:^ {4}\S.*\n?(?:^ {4,}.*\n?)*)+", re.MULTILINE)
_TIMEOUT_S = 300.0
_STANDINS = {
    "aragora": "import sys; from aragora.cli.main import main; sys.exit(main())",
    # An authenticator app: oathtool --totp -b SECRET
    "oathtool": "import sys, pyotp; print(pyotp.TOTP(sys.argv[-1]).now())",
}


def commands_of(page: Path) -> list[str]:
    """The lines that stand in the page's indented blocks, in their order."""
    return [line[4:] for block in _BLOCK.findall(page.read_text()) for line in block.splitlines()]


def typed(
    page: Path, server: LiveServer, directory: Path, settings: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Type the page with the settings of the server; it ends at the first command that fails. `directory` takes the
    files that the commands write."""
    programs = directory / "programs"
    programs.mkdir(parents=True)
    for name, code in _STANDINS.items():
        (programs / name).write_text(f"#!{sys.executable}\n{code}\n")
        (programs / name).chmod(0o700)
    script = "\n".join(["set -euxo pipefail", *commands_of(page)]).replace("http://localhost:8080", server.url)
    environment = {
        **os.environ,
        **settings,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "ARAGORA_DATA_DIR": str(server.data_dir),
    }
    return subprocess.run(
        ["bash", "-c", script],
        cwd=directory, env=environment, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
