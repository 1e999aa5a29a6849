"""One of the two clusters, as its head tells it (`aragora cluster`), and what keeps one from taking over from the
other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from change.machine import Failed, Machine

ARAGORA: Final = "/opt/aragora/bin/aragora"


@dataclass(frozen=True, slots=True)
class Cluster:
    """What `aragora cluster describe` says of it, called on its head."""

    machine: Machine
    told: dict[str, Any]

    @classmethod
    def at(cls, machine: Machine) -> Cluster:
        """Raises Failed."""
        said = machine.ask(f"{ARAGORA} cluster describe --json")
        try:
            return cls(machine, dict(json.loads(said)))
        except ValueError:
            raise Failed(
                f"{machine.destination}: `aragora cluster describe` does not answer as this release's"
            ) from None

    @property
    def name(self) -> str:
        return self.machine.destination

    @property
    def head(self) -> str:
        return str(self.told["head"])

    @property
    def nodes(self) -> list[str]:
        """Those that take work, `host:port` of their HTTP."""
        port = self.told["http_port"]
        return [f"[{node}]:{port}" if ":" in node else f"{node}:{port}" for node in self.told["nodes"]]

    @property
    def described(self) -> str:
        nodes = ", ".join(self.told["nodes"])
        return f"release {self.told['release']}, Ray {self.told['ray']}, Python {self.told['python']}; nodes {nodes}"

    def stand_by(self) -> None:
        """Begin all of its service but what takes debates. Raises Failed."""
        self.machine.tell(f"{ARAGORA} cluster stand-by")

    def yield_service(self) -> None:
        """End what takes debates; reads are answered still. Raises Failed."""
        self.machine.tell(f"{ARAGORA} cluster undeploy --keep-reads")

    def undeploy(self) -> None:
        """End its service; its nodes stay. Raises Failed."""
        self.machine.tell(f"{ARAGORA} cluster undeploy")

    def deploy(self, nodes: int) -> None:
        """Begin its service on so many nodes; returns once they take requests. Raises Failed."""
        self.machine.tell(f"{ARAGORA} cluster deploy --nodes {nodes}")


def obstacles(old: Cluster, new: Cluster, wanted: int) -> Iterator[str]:
    """Why `new`, of which `wanted` nodes are to be there, may not take over from `old`; a line each."""
    for cluster in (old, new):
        for problem in cluster.told["problems"]:
            yield f"{cluster.name}: {problem}"
    if old.head == new.head:
        yield f"{old.name} and {new.name} are of one cluster, that of {old.head}: name the heads of two"
        return
    if old.told["installation"] is None or old.told["installation"] != new.told["installation"]:
        yield f"{old.name} and {new.name} have different databases: give both the same .env"
        return
    serves = old.told["serves"]
    if serves not in (None, old.head, new.head):
        yield f"{serves} serves the database, and neither of these two: name that one with --from"
    if new.told["generation_begins"]:
        yield (
            f"{new.name}: its release begins a new generation of the schema, and there would be no way back: move with a "
            "release of the same generation, and upgrade after that"
        )
    if len(new.nodes) < wanted:
        yield (
            f"{new.name}: {len(new.nodes)} of {wanted} nodes are there ({', '.join(new.told['nodes'])}): start the others "
            "(aragora node start --address HEAD), or say how many there are: --nodes"
        )


def foreign(named: Sequence[str], known: Sequence[str]) -> list[str]:
    """The nodes of nginx that are none of the clusters'."""
    return [node for node in named if node not in known]
