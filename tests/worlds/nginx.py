"""deploy/nginx in a real nginx, before nodes that a test commands.

The shipped files are used with their own directives: only addresses, ports, paths and the certificate are replaced.
`make install-dev` unpacks Debian's nginx into the environment; without that, and without an installed one, the tests of
it are skipped.
"""

from __future__ import annotations

import http.client
import json
import re
import shutil
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import pytest
from worlds.waiting import WAIT_S, wait_until

from aragora.free_ports import free_ports

CONFIG: Final = Path(__file__).parents[2] / "deploy/nginx/aragora.conf"
NODES: Final = CONFIG.with_name("aragora_nodes.conf")
NAME: Final = "api.aragora.ai"
INSIDE: Final = "127.0.0.1"  # which the configuration allows
OUTSIDE: Final = "127.0.0.2"
UNPACKED: Final = f"{sys.prefix}/debian/usr/sbin/nginx"
SHIPPED_NODES: Final = ("127.0.0.1:8080", "10.0.0.11:8080", "10.0.0.12:8080")
BASE_PATH: Final = (
    "rewrite ^/aragora$ /aragora/ permanent;",
    "rewrite ^/aragora(/.*)$ $1;",
    "proxy_redirect / /aragora/;",
    "location ~ ^/(assets/.*)?$ {",
    "    sub_filter_once off;",
    "    sub_filter_types text/javascript;",
    "    sub_filter '\"/' '\"/aragora/';",
    "    sub_filter '`/' '`/aragora/';",
    "    proxy_pass http://aragora;",
    "}",
)


@dataclass
class Node:
    """A node that answers as it is told: `answers`, `hangs`, `breaks` off after the request, or a status such as `503`.

    An answer tells the headers that came, and which node it is.
    """

    port: int
    mode: str = "answers"
    got: list[tuple[str, str, bytes]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def asked(self, method: str) -> int:
        """How many requests of this method came."""
        return sum(one == method for one, _, _ in self.got)


@dataclass(frozen=True)
class Answer:
    """What a client of nginx got."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Proxy:
    """A running nginx."""

    http_port: int
    https_port: int
    log: Path

    def ask(
        self, path: str, *, of: str = INSIDE, method: str = "GET", body: bytes | None = None, **headers: str
    ) -> Answer:
        """The answer to a client at the address `of`. Keywords are headers: `X_Real_IP` is X-Real-IP."""
        with self.connected(of) as connection:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, told, answer.read())

    @contextmanager
    def connected(self, of: str) -> Iterator[http.client.HTTPSConnection]:
        with closing(
            http.client.HTTPSConnection(
                "127.0.0.1", self.https_port, timeout=WAIT_S, source_address=(of, 0), context=unverified()
            )
        ) as connection:
            yield connection

    def statuses(self, method: str, path: str, count: int, of: str) -> list[int]:
        """Of as many requests, one after the other as fast as they go."""
        found = []
        with self.connected(of) as connection:
            for _ in range(count):
                connection.request(method, path)
                answer = connection.getresponse()
                answer.read()
                found.append(answer.status)
        return found


def unverified() -> ssl.SSLContext:
    """For a client that takes the test's certificate."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@contextmanager
def nodes(count: int) -> Iterator[list[Node]]:
    """As many nodes, each on a port of its own; what hangs is let go at the end."""
    with ExitStack() as closed:
        started = []
        for port in free_ports(count):
            node = Node(port)
            server = closed.enter_context(ThreadingHTTPServer((INSIDE, port), _handler(node)))
            server.daemon_threads = True
            closed.callback(server.shutdown)
            closed.callback(node.released.set)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            started.append(node)
        yield started


@contextmanager
def running(
    directory: Path, ports: Sequence[int], *, changed: Callable[[str], str] = lambda shipped: shipped
) -> Iterator[Proxy]:
    """nginx before nodes at these ports of 127.0.0.1; `changed` edits the file as its comments tell an operator to."""
    http_port, https_port = free_ports(2, but=ports)
    certify(directory)
    shipped = placed(changed(CONFIG.read_text()), directory, (INSIDE, http_port), (INSIDE, https_port))
    (directory / "aragora.conf").write_text(shipped)
    (directory / "aragora_nodes.conf").write_text(with_nodes(NODES.read_text(), [f"{INSIDE}:{port}" for port in ports]))
    (directory / "nginx.conf").write_text(f"daemon off; {around(directory)}")
    command = [_program(), "-p", str(directory), "-c", str(directory / "nginx.conf")]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert checked.returncode == 0, checked.stderr
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    proxy = Proxy(http_port, https_port, directory / "aragora.log")
    try:
        wait_until(lambda: _listens(proxy), "nginx listens")
        yield proxy
    finally:
        process.terminate()
        process.wait(WAIT_S)


def under_base_path(shipped: str) -> str:
    """The file with its lines for https://NAME/aragora/ switched on."""
    for line in BASE_PATH:
        assert f"# {line}\n" in shipped, line
        shipped = shipped.replace(f"# {line}\n", f"{line}\n", 1)
    return shipped


def listed_nodes() -> list[list[str]]:
    """The nodes of each upstream, those of commented lines too."""
    upstreams = re.findall(r"^upstream [^{]*{(.*?)^}", NODES.read_text(), re.DOTALL | re.MULTILINE)
    return [re.findall(r"^ *(?:# )?server (\S+)", upstream, re.MULTILINE) for upstream in upstreams]


def around(directory: Path) -> str:
    """What stands around the shipped files, where all of nginx is below `directory`."""
    temporary = "".join(
        f"{kind}_temp_path {directory}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return (
        f"error_log {directory}/error.log; pid {directory}/pid; events {{}} "
        f"http {{ {temporary} include {directory}/aragora*.conf; }}\n"
    )


def placed(shipped: str, directory: Path, http: tuple[str, int], https: tuple[str, int]) -> str:
    """aragora.conf with the two addresses, and its certificate and log in `directory`."""
    replacements = [
        ("listen 80;", "listen {}:{};".format(*http)),
        ("listen [::]:80;", ""),
        ("listen 443 ", "listen {}:{} ".format(*https)),
        ("listen [::]:443 ssl http2;", ""),
        ("/etc/nginx/tls", str(directory)),
        ("/var/log/nginx", str(directory)),
    ]
    return _replaced(shipped, replacements)


def with_nodes(shipped: str, nodes: Sequence[str]) -> str:
    """aragora_nodes.conf with these (`host:port`), at most three."""
    replacements = []
    for there, node in zip(SHIPPED_NODES, nodes, strict=False):
        commented = "" if there == SHIPPED_NODES[0] else "# "
        replacements.append((f"{commented}server {there} ", f"server {node} "))
    return _replaced(shipped, replacements)


def _replaced(shipped: str, replacements: Sequence[tuple[str, str]]) -> str:
    for here, there in replacements:
        assert here in shipped, here
        shipped = shipped.replace(here, there)
    return shipped


@cache
def _program() -> str:
    found = filter(None, map(shutil.which, (UNPACKED, "nginx", "/usr/sbin/nginx")))
    return next(found, None) or pytest.skip("nginx is not here")


def certify(directory: Path) -> None:
    """A self-signed certificate where the configuration looks for one."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", f"/CN={NAME}",
         "-keyout", directory / "aragora.key", "-out", directory / "aragora.crt"],
        check=True, capture_output=True, timeout=WAIT_S,
    )  # fmt: skip


def _listens(proxy: Proxy) -> bool:
    """Asked at the plain port, which asks no node."""
    with closing(http.client.HTTPConnection(INSIDE, proxy.http_port, timeout=WAIT_S)) as connection:
        try:
            connection.request("GET", "/")
        except OSError:
            return False
        return connection.getresponse().status == 308


def _handler(node: Node) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet: apart, the second waits 40 ms for the first to be acknowledged

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            node.got.append((self.command, self.path, body))
            match node.mode:
                case "hangs":
                    node.released.wait(2 * WAIT_S)
                    self.close_connection = True
                case "breaks":
                    self.close_connection = True
                case "answers":
                    self.say(200)
                case status:
                    self.say(int(status))

        do_POST = do_PATCH = do_GET  # noqa: N815 - http.server finds them by these names

        def say(self, status: int) -> None:
            body = json.dumps({"node": node.port, "headers": dict(self.headers)}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Retry-After", "7")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Tests say what they have to say themselves."""

    return Handler
