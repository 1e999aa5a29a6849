"""What deploy/nginx/aragora.conf keeps out: claims of clients, strangers at what is for operators, floods."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator
from contextlib import closing

import pytest
from worlds import nginx
from worlds.nginx import INSIDE, OUTSIDE, Proxy
from worlds.waiting import wait_until

from aragora.identity.proofs import IDENTITY_HEADERS

pytestmark = pytest.mark.slow

CLAIMS = {
    "X-Forwarded-For": "127.0.0.1",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "1",
    "X-Forwarded-Proto": "gopher",
    "X-Real-IP": "127.0.0.1",
    "Forwarded": "for=127.0.0.1",
    "X-Service-Token": "guess",
    "X-User-ID": "root",
    "X-User-Name": "root",
    "X-User-Roles": "admin",
    "X-User-Email": "root@example.com",
    "X-Org-ID": "org_1",
    "X-Aragora-Node": "10.0.0.10",
}
REPLACED = {"x-forwarded-for": OUTSIDE, "x-forwarded-proto": "https"}


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with nginx.nodes(1) as nodes, nginx.running(tmp_path_factory.mktemp("nginx"), [nodes[0].port]) as running:
        yield running


def test_nothing_that_a_client_claims_of_itself_gets_through(proxy: Proxy) -> None:
    told = proxy.ask("/api/debates", of=OUTSIDE, **CLAIMS, Authorization="Bearer x")
    assert told.status == 200
    reached = {name.lower(): value for name, value in told.json["headers"].items()}
    assert reached["authorization"] == "Bearer x"
    claimed = {name.lower() for name in CLAIMS}
    assert {name: value for name, value in reached.items() if name in claimed} == REPLACED


@pytest.mark.parametrize("path", ["/api/debates", "/api/auth/login", "/api/health"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_claims_are_dropped_wherever_and_however_they_are_sent(proxy: Proxy, method: str, path: str) -> None:
    """Twice, in other letters, with underscores; on every way through the configuration."""
    with proxy.connected(OUTSIDE) as connection:
        connection.putrequest(method, path)
        for name, value in CLAIMS.items():
            for written in (name, name.upper(), name.lower().replace("-", "_")):
                connection.putheader(written, value)
                connection.putheader(written, f"{value}, again")
        connection.endheaders()
        answer = connection.getresponse()
        body = answer.read()
    reached = nginx.Answer(answer.status, {}, body).json["headers"]
    plain = {name.lower().replace("_", "-"): value for name, value in reached.items()}
    assert {name: plain[name] for name in plain.keys() & {one.lower() for one in CLAIMS}} == REPLACED


def test_every_header_by_which_the_server_knows_a_user_is_among_those_claims() -> None:
    assert {"x-service-token", *IDENTITY_HEADERS} <= {name.lower() for name in CLAIMS}


GUARDED = [
    "/admin", "/admin/", "/admin/users", "/api/admin/audit", "/api/admin/users/usr_1/impersonate", "/api/system/errors",
    "/metrics", "/api/metrics", "/api/agents/health", "/api/circuit-breakers", "/api/ws/stats", "/api/health/ws",
    "/api/health/knowledge-mound", "/-/routes", "/-/healthz",
]  # fmt: skip
DISGUISED = [
    "//api/admin/audit", "/api//admin/audit", "/api/%61dmin/audit", "/api%2Fadmin%2Faudit", "/API/admin/audit", "/Admin",
    "/x/../api/system/errors", "/x/%2e%2e/api/system/errors", "/./api/./system/errors", "/api/./metrics?x=1",
    "/api/system", "/api/system/", "/api/admin/audit/", "/api/metrics/", "/metrics?", "/metrics%0a", "/metrics#x",
    "/api/health/", "/api/health/live/", "/-/ROUTES", "http://api.aragora.ai/api/admin/audit",
]  # fmt: skip


@pytest.mark.parametrize("path", [*GUARDED, *DISGUISED])
def test_what_is_for_operators_is_for_the_inside_alone(proxy: Proxy, path: str) -> None:
    assert proxy.ask(path, of=OUTSIDE).status == 403
    assert proxy.ask(path, of=OUTSIDE, method="POST").status == 403
    assert proxy.ask(path, of=INSIDE).status == 200


@pytest.mark.parametrize(
    "path",
    ["/", "/api/health", "/api/health/live", "/api/health/ready", "/api/debates", "/developer", "/administer",
     "/assets/page.js", "/api/healthy", "/api/debates/admin"],
)  # fmt: skip
def test_the_rest_is_for_everybody(proxy: Proxy, path: str) -> None:
    assert proxy.ask(path, of=OUTSIDE).status == 200


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
    assert proxy.ask("/api/debates", of="127.0.0.5").status == 200


def test_the_log_names_the_node_and_its_answer_and_has_no_query(proxy: Proxy) -> None:
    proxy.ask("/ws?ticket=one-time-secret", of=OUTSIDE)
    told = wait_until(lambda: re.search(r'"GET /ws" 200 .* "(.*)" "(.*)"', proxy.log.read_text()))
    assert re.fullmatch(r"127\.0\.0\.1:\d+ 200", " ".join(told.groups()))
    assert "one-time-secret" not in proxy.log.read_text()
