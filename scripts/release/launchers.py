"""What runs the current release: the link to it, the programs `aragora` and `ray` in `bin/`, and how shells find them.

`ray down`, `ray exec` and `ray attach` type plain `ray` in a login shell on the head. So `bin/` comes first on its
path, and its `ray` makes of a bare `ray stop`, which knows nothing of the service nor of other nodes, what the person
means who typed `ray down`. With any option, and as current/.venv/bin/ray, it is Ray's own.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Final

COMMON: Final = """\
#!/bin/sh
# {what}
# Written by scripts/install_release.py; the next installation writes it again.
umask 077
root={root}
export RAY_USAGE_STATS_ENABLED=0  # `ray up` sets 1 in the shell that calls this; .env may say otherwise
here() {{ echo "$(uname -n)${{SSH_CONNECTION:+ ($(echo "$SSH_CONNECTION" | cut -d " " -f 3))}}"; }}
if [ -e "$root/.env" ]; then
  if [ ! -r "$root/.env" ]; then
    echo "aragora: $(here): $(id -un) may not read $root/.env: chown it, with mode 600" >&2
    exit 2
  fi
  set -a
  . "$root/.env"
  set +a
elif [ -z "$DATABASE_URL" ] && [ "$1" = node ] && [ "$2" != stop ]; then
  echo "aragora: $(here): there is no $root/.env: copy that of another node there, with mode 600 (the first one comes \
from \\`aragora cluster env\\`)" >&2
  exit 2
fi
export ARAGORA_DATA_DIR="${{ARAGORA_DATA_DIR:-$root/.nomic}}"
export RAY_AUTH_MODE="${{RAY_AUTH_MODE:-token}}"
export RAY_AUTH_TOKEN_PATH="${{RAY_AUTH_TOKEN_PATH:-$ARAGORA_DATA_DIR/run/ray_token}}"
if [ ! -x "$root/current/.venv/bin/{program}" ]; then
  echo "aragora: $(here): no release is installed in $root: type \\`ray up\\`, or python3 \
$root/incoming/scripts/install_release.py $root" >&2
  exit 1
fi
"""
STOP: Final = """\
if [ "$#" -eq 1 ] && [ "$1" = stop ]; then
  # The head is where the GCS runs: there the whole cluster stops, as `ray down` wants it; elsewhere this node alone.
  if ls -l /proc/[0-9]*/exe 2>/dev/null | grep -F " $(readlink -f "$root")/" | grep -qF /gcs_server; then
    exec "$root/bin/aragora" cluster stop
  fi
  exec "$root/bin/aragora" node stop
fi
"""
RUN: Final = 'exec "$root/current/.venv/bin/{program}" "$@"\n'
MARK: Final = "# Aragora's programs"
LOGIN_FILES: Final = (".bash_profile", ".bash_login")
"""Bash reads the first one of these that is there, instead of .profile."""


def link(root: Path, release: Path) -> None:
    """Let `current` be this release, in one step: there is no moment without one."""
    fresh = root / f".current-{os.getpid()}"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(release.relative_to(root))
    fresh.replace(root / "current")


def write(root: Path) -> None:
    """Write bin/aragora and bin/ray."""
    (root / "bin").mkdir(exist_ok=True)
    quoted = shlex.quote(str(root))
    for program, what, own in (
        ("aragora", "Runs `aragora` of the current release with this node's settings.", ""),
        ("ray", "Runs `ray` of the current release on this node's cluster; a bare `ray stop` stops the cluster.", STOP),
    ):
        text = COMMON.format(what=what, root=quoted, program=program) + own + RUN.format(program=program)
        _write(root / "bin" / program, text, 0o755)


def find_by_login_shells(root: Path) -> None:
    """Put bin/ first on the path of the user's login shells, by one marked line in the file that they read."""
    home = Path.home()
    line = f'export PATH={shlex.quote(str(root / "bin"))}:"$PATH"  {MARK}'
    read_instead = next((home / name for name in LOGIN_FILES if (home / name).exists()), None)
    for file in filter(None, (home / ".profile", read_instead)):
        _set_line(file, line)


def _set_line(file: Path, line: str) -> None:
    text = file.read_text(encoding="utf-8", errors="surrogateescape") if file.exists() else ""
    lines = [kept for kept in text.splitlines() if not kept.endswith(MARK)]
    wanted = "\n".join([*lines, line]) + "\n"
    if wanted != text:
        _write(file.resolve(), wanted, file.stat().st_mode & 0o777 if file.exists() else 0o644)


def _write(file: Path, text: str, mode: int) -> None:
    """Write a file anew; a shell that reads the old one goes on with it."""
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    fresh.write_text(text, encoding="utf-8", errors="surrogateescape")
    fresh.chmod(mode)
    fresh.replace(file)
