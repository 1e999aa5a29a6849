"""deploy/nginx/aragora.conf in a real nginx, before an upstream that says what reached it.

`make install-dev` unpacks Debian's nginx into the environment. Without that, and without an installed one, this is
skipped.
"""

from __future__ import annotations

import http.client
import json
import shutil
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from worlds.waiting import wait_until

from aragora.free_ports import free_ports

pytestmark = pytest.mark.slow

UNPACKED = f"{sys.prefix}/debian/usr/sbin/nginx"
CONFIG = Path(__file__).parents[3] / "deploy/nginx/aragora.conf"
INSIDE = "127.0.0.1"  # which the configuration allows
OUTSIDE = "127.0.0.2"
CLAIMS = {
    "X-Forwarded-For": "127.0.0.1",
    "X-Forwarded-Host": "evil.example",
    "X-Real-IP": "127.0.0.1",
    "Forwarded": "for=127.0.0.1",
    "X-Service-Token": "guess",
    "X-User-ID": "root",
    "X-User-Roles": "admin",
    "X-User-Email": "root@example.com",
    "X-Org-ID": "org_1",
}


class Upstream(BaseHTTPRequestHandler):
    """Answers with the headers it got."""

    def do_GET(self) -> None:
        body = json.dumps(dict(self.headers)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Tests say what they have to say themselves."""


@dataclass(frozen=True)
class Proxy:
    """A running nginx."""

    http_port: int
    https_port: int
    log: Path

    def ask(self, path: str, *, of: str = INSIDE, method: str = "GET", **headers: str) -> tuple[int, Any]:
        """Status and what reached the upstream, as a client at the address `of`."""
        with self.connected(of) as connection:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            body = answer.read()
            return answer.status, json.loads(body) if answer.status == 200 else None

    @contextmanager
    def connected(self, of: str) -> Iterator[http.client.HTTPSConnection]:
        unverified = ssl.create_default_context()
        unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
        with closing(
            http.client.HTTPSConnection(
                "127.0.0.1", self.https_port, timeout=60, source_address=(of, 0), context=unverified
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


@pytest.fixture(scope="module")
def nginx() -> str:
    found = filter(None, map(shutil.which, (UNPACKED, "nginx", "/usr/sbin/nginx")))
    return next(found, None) or pytest.skip("nginx is not here")


@pytest.fixture(scope="module")
def proxy(nginx: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    directory = tmp_path_factory.mktemp("nginx")
    upstream, http_port, https_port = free_ports(3)
    certify(directory)
    shipped = CONFIG.read_text()
    for here, there in (
        ("127.0.0.1:8080;", f"127.0.0.1:{upstream};"),
        ("listen 80;", f"listen 127.0.0.1:{http_port};"),
        ("listen [::]:80;", ""),
        ("listen 443 ", f"listen 127.0.0.1:{https_port} "),
        ("listen [::]:443 ssl http2;", ""),
        ("/etc/nginx/tls", str(directory)),
        ("/var/log/nginx", str(directory)),
    ):
        assert here in shipped, here
        shipped = shipped.replace(here, there)
    temporary = "".join(
        f"{kind}_temp_path {directory}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (directory / "aragora.conf").write_text(shipped)
    (directory / "nginx.conf").write_text(
        f"daemon off; error_log stderr; pid {directory}/pid; events {{}} "
        f"http {{ {temporary} include {directory}/aragora.conf; }}"
    )
    command = [nginx, "-p", str(directory), "-c", str(directory / "nginx.conf")]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, timeout=60, check=False)
    assert checked.returncode == 0, checked.stderr
    with ThreadingHTTPServer(("127.0.0.1", upstream), Upstream) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        running = Proxy(http_port, https_port, directory / "aragora.log")
        try:
            wait_until(lambda: listens(running))
            yield running
        finally:
            process.terminate()
            process.wait(60)
            server.shutdown()


def certify(directory: Path) -> None:
    """A self-signed certificate where the configuration looks for one."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=api.aragora.ai",
         "-keyout", directory / "aragora.key", "-out", directory / "aragora.crt"],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip


def listens(proxy: Proxy) -> bool:
    try:
        return proxy.ask("/api/health")[0] == 200
    except OSError:
        return False


def test_nothing_that_a_client_claims_of_itself_gets_through(proxy: Proxy) -> None:
    status, reached = proxy.ask("/api/debates", of=OUTSIDE, **CLAIMS, Authorization="Bearer x")
    assert status == 200
    reached = {name.lower(): value for name, value in reached.items()}
    assert reached["x-forwarded-for"] == OUTSIDE
    assert reached["authorization"] == "Bearer x"
    assert not {name.lower() for name in CLAIMS} - {"x-forwarded-for"} & reached.keys()


@pytest.mark.parametrize(
    "path",
    ["/admin", "/admin/", "/admin/users", "/api/admin/audit", "/api/admin/users/usr_1/impersonate", "/api/system/errors",
     "/metrics", "/api/metrics", "/api/agents/health", "/api/circuit-breakers", "/api/ws/stats", "/api/health/ws",
     "/api/health/knowledge-mound", "/api//admin/audit", "/api/%61dmin/audit", "/x/../api/system/errors",
     "/api/./metrics?x=1"],
)  # fmt: skip
def test_what_is_for_operators_is_for_the_inside_alone(proxy: Proxy, path: str) -> None:
    assert proxy.ask(path, of=OUTSIDE)[0] == 403
    assert proxy.ask(path, of=INSIDE)[0] == 200


@pytest.mark.parametrize(
    "path", ["/", "/api/health", "/api/health/live", "/api/health/ready", "/api/debates", "/developer", "/administer"]
)
def test_the_rest_is_for_everybody(proxy: Proxy, path: str) -> None:
    assert proxy.ask(path, of=OUTSIDE)[0] == 200


def test_plain_http_leads_to_https_under_our_own_name(proxy: Proxy) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", proxy.http_port, timeout=60)) as connection:
        connection.request("POST", "/api/auth/login?x=1", headers={"Host": "evil.example"})
        answer = connection.getresponse()
    assert (answer.status, answer.getheader("Location")) == (308, "https://api.aragora.ai/api/auth/login?x=1")


GUESSED = [
    "/api/auth/login", "/api/auth/register", "/api/auth/refresh", "/api/auth/confirm", "/api/auth/password",
    "/api/auth/oauth/exchange", "/api/auth/mfa/verify", "/api/auth/mfa/disable", "/api/invitations/accept",
]  # fmt: skip


@pytest.mark.parametrize(("path", "client"), [(path, f"127.0.1.{at}") for at, path in enumerate(GUESSED, 1)])
def test_guesses_are_refused_before_they_reach_the_server(proxy: Proxy, path: str, client: str) -> None:
    guesses = proxy.statuses("POST", path, 40, of=client)  # fewer than the general rate lets through
    assert guesses[0] == 200
    assert 429 in guesses


def test_a_flood_is_refused_before_it_reaches_the_server(proxy: Proxy) -> None:
    assert 429 not in proxy.statuses("GET", "/api/debates", 40, of="127.0.0.3")
    assert 429 in proxy.statuses("GET", "/api/debates", 500, of="127.0.0.4")
    assert proxy.ask("/api/debates", of="127.0.0.5")[0] == 200


def test_the_log_has_no_query(proxy: Proxy) -> None:
    proxy.ask("/ws?ticket=one-time-secret", of=OUTSIDE)
    wait_until(lambda: '/ws"' in proxy.log.read_text())
    assert "one-time-secret" not in proxy.log.read_text()
