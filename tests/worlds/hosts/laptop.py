"""The laptop: a person's checkout of the tree under test, their key, and what they type and ask from there."""

from __future__ import annotations

import http.client
import json
import shlex
import shutil
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from worlds.hosts.base_layer import HOME, RELEASE, not_locked, own
from worlds.hosts.commands import Finished
from worlds.hosts.host import Host
from worlds.hosts.tree import CHECKOUT, VENV, copy_history, copy_tree, relocate
from worlds.live_server import Response

ON_LAPTOP: Final = HOME / "aragora"
REQUEST_S: Final = 60.0
PROFILE: Final = f'PATH="{ON_LAPTOP}/.venv/bin:$PATH"\ncd {ON_LAPTOP}\n'


class Laptop(Host):
    """A login there stands in the checkout, with its environment on the path."""

    def ssh(self, host: str, command: str, *, timeout_s: float = 120.0) -> Finished:
        """A command on another host, by ssh with the person's key."""
        return self.run(f"ssh {host} {shlex.quote(command)}", timeout_s=timeout_s)

    def request(
        self, method: str, url: str, body: Any = None, *, source: str = "", timeout_s: float = REQUEST_S, **headers: str
    ) -> Response:
        """An HTTP request from here, whatever its status; from the address `source` where the laptop has several.

        `body` is bytes or goes as JSON. Keywords are headers: `Idempotency_Key` is Idempotency-Key. Raises OSError or
        http.client.HTTPException where no answer comes.
        """
        address = urlsplit(url)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        data = body
        if body is not None and not isinstance(body, bytes):
            data = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        path = address.path + (f"?{address.query}" if address.query else "")
        assert address.hostname is not None
        connection = http.client.HTTPConnection(
            address.hostname, address.port, timeout=timeout_s, source_address=(source, 0) if source else None
        )
        try:
            with self.network():
                connection.connect()
            connection.request(method, path or "/", data, sent)
            answer = connection.getresponse()
            return Response(
                answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read().decode()
            )
        finally:
            connection.close()


def furnish(disk: Path, private_key: str) -> None:
    """An empty disk of a laptop: the checkout with its environment, the key, and a profile that stands there."""
    home = disk / HOME.relative_to("/")
    checkout = disk / ON_LAPTOP.relative_to("/")
    copy_tree(checkout)
    copy_history(checkout)
    _environment(checkout / ".venv")
    (home / ".ssh").mkdir(mode=0o700)
    (home / ".ssh/id_ed25519").write_text(private_key, encoding="utf-8")
    (home / ".ssh/id_ed25519").chmod(0o600)
    (home / ".bash_profile").write_text(PROFILE, encoding="utf-8")
    own(home)


def _environment(venv: Path) -> None:
    """An environment of the checkout's own whose packages are those of the release that every host has."""
    packages = next(VENV.glob("lib/python3*/site-packages"))
    spare = not_locked(packages)
    site = packages.relative_to(VENV)
    for directory in (venv / "bin", venv / site):
        directory.mkdir(parents=True)
    for entry in (VENV / "pyvenv.cfg", *VENV.glob("bin/*"), *packages.glob("*.pth")):
        if entry not in spare:
            shutil.copy2(entry, venv / entry.relative_to(VENV), follow_symlinks=False)
    for entry in packages.iterdir():
        if entry not in spare and entry.suffix != ".pth":
            (venv / site / entry.name).symlink_to(RELEASE / ".venv" / site / entry.name)
    relocate(venv, {VENV: ON_LAPTOP / ".venv", CHECKOUT: ON_LAPTOP})
