"""One installation of Aragora on the bed's nodes, as an operator makes it: `.env` by `aragora cluster env`, the
addresses in cluster.yaml, and then what is typed on the laptop."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import Any, Final

from worlds.hosts.bed import Bed
from worlds.hosts.commands import Finished
from worlds.hosts.host import Host
from worlds.live_server import Response
from worlds.waiting import wait_until

ENVIRONMENT: Final = "/opt/aragora/.env"
HTTP_PORT: Final = 8080
WS_PORT: Final = 8765
UP_S: Final = 400.0
SERVES_S: Final = 180.0


@dataclass(frozen=True)
class Installation:
    """`token` is the operator's ARAGORA_API_TOKEN, `environment` the text of `.env`, `database` the name of its
    PostgreSQL database."""

    bed: Bed
    token: str
    environment: str
    database: str

    def typed(self, command: str, *, timeout_s: float = UP_S) -> Finished:
        """A command typed on the laptop, in the checkout."""
        return self.bed.laptop.run(command, timeout_s=timeout_s)

    def up(self) -> Finished:
        return self.typed("ray up -y cluster.yaml")

    def down(self) -> Finished:
        return self.typed("ray down -y cluster.yaml")

    def aragora(self, node: Host, command: str, *, timeout_s: float = UP_S) -> Finished:
        """An `aragora` command in a login shell on a node."""
        return node.run(f"aragora {command}", timeout_s=timeout_s)

    def status(self, node: Host) -> list[dict[str, Any]]:
        """What `aragora cluster status --json` says on a node."""
        found: list[dict[str, Any]] = json.loads(self.aragora(node, "cluster status --json").output())
        return found

    def ask(
        self,
        node: Host,
        method: str,
        path: str,
        body: Any = None,
        *,
        port: int = HTTP_PORT,
        source: str = "",
        **headers: str,
    ) -> Response:
        """A request of the operator, from the laptop (from its address `source`) to one node."""
        headers.setdefault("Authorization", f"Bearer {self.token}")
        return self.bed.laptop.request(method, f"http://{node.address}:{port}{path}", body, source=source, **headers)

    def sql(self, statement: str) -> str:
        """What psql prints for a statement on the installation's database."""
        return self.bed.db.sql(statement, self.database)

    def ready(self, node: Host) -> bool:
        """Whether the node says that it takes requests."""
        try:
            return self.ask(node, "GET", "/api/health/ready").status == 200
        except OSError:
            return False

    def await_ready(self, *nodes: Host, limit_s: float = SERVES_S) -> None:
        for node in nodes or self.bed.nodes:
            wait_until(lambda node=node: self.ready(node), f"{node.name} takes requests", limit_s)


def installed(bed: Bed, **settings: str) -> Installation:
    """A fresh installation on every node: an empty database, and one `.env` with fresh secrets and stub agents.

    Nothing is started. `settings` are further variables of `.env`.
    """
    bed.laptop.run("rm -f /tmp/env && aragora cluster env /tmp/env").output()
    written = bed.laptop.read("/tmp/env")
    database = bed.db.new_database()
    wanted = {
        "DATABASE_URL": database,
        "ARAGORA_REDIS_URL": bed.db.redis_url,
        "ARAGORA_STUB_AGENTS": "4",
        "ARAGORA_STUB_LATENCY_MS": "100",
        "ARAGORA_EMBEDDED_AGENTS": "false",
        **settings,
    }
    environment = with_settings(written, wanted)
    for node in bed.nodes:
        node.write(ENVIRONMENT, environment)
    head, *workers = (node.address for node in bed.nodes)
    edits = (
        f"s/head_ip: .*/head_ip: {head}/",
        f"s/worker_ips: .*/worker_ips: [{', '.join(workers)}]/",
        "s/ssh_private_key: .*/ssh_private_key: ~\\/.ssh\\/id_ed25519/",
    )
    bed.laptop.run(f"sed -i {shlex.quote('; '.join(edits))} cluster.yaml").output()
    (token,) = (line.partition("=")[2] for line in environment.splitlines() if line.startswith("ARAGORA_API_TOKEN="))
    return Installation(bed, token.strip("'\""), environment, database.rpartition("/")[2])


def with_settings(environment: str, wanted: dict[str, str]) -> str:
    """The text of a `.env` with these variables instead of its own."""
    kept = [line for line in environment.splitlines() if line.partition("=")[0] not in wanted]
    return "\n".join([*kept, *(f"{name}={shlex.quote(value)}" for name, value in wanted.items())]) + "\n"
