"""nginx before the nodes, on the laptop, with the shipped files; and clients that ask it."""

from __future__ import annotations

import http.client
import json
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from worlds.hosts.base_layer import HOME
from worlds.hosts.bed import LAPTOP
from worlds.hosts.host import Host
from worlds.hosts.installation import HTTP_PORT, Installation
from worlds.hosts.laptop import REQUEST_S
from worlds.live_server import Response
from worlds.nginx import CONFIG, NODES, around, certify, placed, unverified, with_nodes
from worlds.waiting import wait_until

PLACE: Final = HOME / "edge"
NODES_FILE: Final = PLACE / "aragora_nodes.conf"
PLAIN_PORT: Final = 8400
PORT: Final = 8443
PROGRAM: Final = "/usr/local/bin/nginx"


@dataclass(frozen=True)
class Edge:
    """A running nginx. It has the user's rights, and the user may change its files."""

    at: Installation
    name: str = "edge"

    def ask(self, node: Any, method: str, path: str, body: Any = None, *, source: str = "", **headers: str) -> Response:
        """A request of the operator to it, as `Installation.ask` to a node; `node` is this edge."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent.setdefault("Authorization", f"Bearer {self.at.token}")
        data = None if body is None else json.dumps(body).encode()
        if data is not None:
            sent["Content-Type"] = "application/json"
        with closing(
            http.client.HTTPSConnection(
                LAPTOP, PORT, timeout=REQUEST_S, context=unverified(), source_address=(source, 0) if source else None
            )
        ) as connection:
            with self.at.bed.laptop.network():
                connection.connect()
            connection.request(method, path, data, sent)
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            return Response(answer.status, told, answer.read().decode())

    def nodes(self) -> list[str]:
        """Those that its file names."""
        return [line.split()[1] for line in self.at.bed.laptop.read(str(NODES_FILE)).splitlines() if _names(line)]

    def stop(self) -> None:
        self.at.bed.laptop.run("nginx -s stop").output()


def edge_before(at: Installation, *nodes: Host) -> Edge:
    """nginx on the laptop before these nodes."""
    laptop = at.bed.laptop
    named = [f"{node.address}:{HTTP_PORT}" for node in nodes]
    with tempfile.TemporaryDirectory() as directory:
        certify(Path(directory))
        files = {file.name: file.read_text() for file in Path(directory).iterdir()}
    files["aragora.conf"] = placed(CONFIG.read_text(), PLACE, (LAPTOP, PLAIN_PORT), (LAPTOP, PORT))
    files["aragora_nodes.conf"] = with_nodes(NODES.read_text(), named)
    files["nginx.conf"] = around(PLACE)
    for name, text in files.items():
        laptop.write(str(PLACE / name), text)
    program = f'#!/bin/sh\nexec /usr/sbin/nginx -p {PLACE}/ -e {PLACE}/error.log -c {PLACE}/nginx.conf "$@"\n'
    laptop.write(PROGRAM, program, user="root", mode=0o755)
    laptop.run("nginx").output()
    edge = Edge(at)
    wait_until(lambda: laptop.listens(PORT), "nginx listens")
    return edge


def _names(line: str) -> bool:
    return line.strip().startswith("server ")
