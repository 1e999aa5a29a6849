"""The nodes before which an nginx stands: read, checked from there, and exchanged (deploy/nginx/aragora_nodes.conf)."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from change.machine import Failed, Machine

NODES_FILE: Final = "/etc/nginx/conf.d/aragora_nodes.conf"
REACH_S: Final = 5
_SERVER: Final = re.compile(r"^(?P<indent>\s*)server\s+(?P<node>[^\s;]+)(?P<rest>[^;]*;.*)$")


@dataclass(frozen=True, slots=True)
class Nginx:
    """One nginx, on `machine`. Its user may write beside `file` and call nginx, or may do both by sudo without a
    password."""

    machine: Machine
    file: str

    def nodes(self) -> list[str]:
        """The nodes that the file names, `host:port`. Raises Failed where it names none."""
        found = nodes_in(self._text())
        if not found:
            raise Failed(f"{self.machine.destination}: {self.file} names no node: take that of deploy/nginx")
        return found

    def check(self) -> None:
        """Raises Failed where nginx does not read the file, finds a fault in what it reads, or may not be told."""
        said = self.machine.ask(self._as_owner("nginx -t 2>&1 && nginx -T 2>/dev/null"))
        if f"# configuration file {self.file}:" not in said:
            raise Failed(f"{self.machine.destination}: nginx does not read {self.file}: is --nodes-file right?")

    def reaches(self, node: str) -> str:
        """Why nothing goes from there to a node on which nothing may listen yet; empty where it does."""
        host, _, port = node.rpartition(":")
        script = f"exec 3<>/dev/tcp/{host.strip('[]')}/{port}"
        said = self.machine.ask(f"timeout {REACH_S} bash -c {shlex.quote(script)} 2>&1 || echo ended with $?")
        if "ended with 124" in said:
            return "no answer: a firewall between?"
        return "" if "ended with" not in said or "refused" in said else said.strip().splitlines()[0]

    def answers(self, node: str, path: str) -> bool:
        """Whether the node, asked from there for a page of its health, says that all is well."""
        host, _, port = node.rpartition(":")
        request = f"GET {path} HTTP/1.0\\r\\nHost: {node}\\r\\n\\r\\n"
        script = f"exec 3<>/dev/tcp/{host.strip('[]')}/{port} && printf '{request}' >&3 && head -n 1 <&3"
        return " 200 " in self.machine.ask(f"timeout {REACH_S} bash -c {shlex.quote(script)} 2>&1 || true")

    def switch(self, nodes: Sequence[str]) -> None:
        """Let it stand before these nodes instead. Raises Failed; then the file is as it was."""
        file, fresh, before = (shlex.quote(f"{self.file}{end}") for end in ("", ".new", ".before"))
        self.machine.ask(
            self._as_owner(
                f"cp -p {file} {before} && cp -p {file} {fresh} && cat >{fresh} && mv {fresh} {file} || exit 1; "
                f"nginx -t && nginx -s reload || {{ cp -p {before} {file}; exit 1; }}"
            ),
            given=with_nodes(self._text(), nodes),
        )

    def _text(self) -> str:
        return self.machine.ask(f"cat {shlex.quote(self.file)}")

    def _as_owner(self, command: str) -> str:
        shell = f"sh -c {shlex.quote(f'PATH=$PATH:/usr/sbin:/sbin; {command}')}"
        return f'if [ -w "$(dirname {shlex.quote(self.file)})" ]; then {shell}; else sudo -n {shell}; fi'


def nodes_in(text: str) -> list[str]:
    """Each once, in the order of the first list."""
    return list(dict.fromkeys(found["node"] for line in text.splitlines() if (found := _SERVER.match(line))))


def with_nodes(text: str, nodes: Sequence[str]) -> str:
    """The file with these nodes in each list, with the options that the list's first node had; the rest stays."""
    return "\n".join(_with_nodes(text.splitlines(), nodes)) + "\n"


def _with_nodes(lines: Sequence[str], nodes: Sequence[str]) -> Iterator[str]:
    written = False
    for line in lines:
        found = _SERVER.match(line)
        if found is None:
            written = written and not line.startswith("}")
            yield line
        elif not written:
            written = True
            for node in nodes:
                yield f"{found['indent']}server {node}{found['rest']}"
