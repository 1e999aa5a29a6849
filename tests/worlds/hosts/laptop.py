"""The laptop: a person's checkout of the tree under test, their key, and what they type and ask from there."""

from __future__ import annotations

import http.client
import json
import shlex
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from worlds.hosts.base_layer import HOME, own
from worlds.hosts.commands import Finished
from worlds.hosts.host import Host
from worlds.hosts.linked_environment import linked_environment
from worlds.hosts.tree import copy_history, copy_tree
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
    linked_environment(checkout / ".venv", ON_LAPTOP)
    (home / ".ssh").mkdir(mode=0o700)
    (home / ".ssh/id_ed25519").write_text(private_key, encoding="utf-8")
    (home / ".ssh/id_ed25519").chmod(0o600)
    (home / ".bash_profile").write_text(PROFILE, encoding="utf-8")
    own(home)
