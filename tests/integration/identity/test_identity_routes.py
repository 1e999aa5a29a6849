"""The identity routes over HTTP: the runbook's lines in development, and strangers in production."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pyotp
import pytest
from pydantic import SecretStr
from worlds.memory_server import Boards, Served, World, served
from worlds.migrated import migrated

from aragora.clock import SystemClock
from aragora.config.settings import Settings
from aragora.errors import Unauthenticated
from aragora.observability.registry import REGISTRY
from aragora.server.authentication import Caller, CallerFacts
from aragora.server.live.connection import Connection
from aragora.server.live.sockets import SocketRegistry
from aragora.server.ports import ServerConfig
from aragora.server.replica_figures import ReplicaFigures

pytestmark = pytest.mark.slow

PASSWORD = "correct horse battery"
JANE = {"email": "jane@example.com", "password": PASSWORD}
SERVICE = "service-token-of-the-test"
STRANGER = "203.0.113.9"


class Site:
    """A server on the identity stores of a data directory; gives clients that connect from an address."""

    def __init__(self, served: Served) -> None:
        self.identity = served.identity
        self.sockets: SocketRegistry = served.features["debates"].ports.sockets
        self.figures: ReplicaFigures = served.features["administration"].ports.figures
        self.aclose = served.aclose
        self.client = partial(served.client, host="localhost:8080")


@pytest.fixture
async def site_of(tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    opened: list[Site] = []

    async def build(**more: Any) -> Site:
        settings = Settings(data_dir=tmp_path, encryption_key=SecretStr(secrets.token_hex(32)), **more)
        migrated(settings)
        config = ServerConfig("1.0.0", "ws://127.0.0.1:8765/ws", environment=settings.env)
        opened.append(Site(served(settings, World(), Boards(), config=config)))
        return opened[-1]

    yield build
    for site in opened:
        await site.aclose()


@pytest.fixture
async def development(site_of: Any) -> Site:
    site: Site = await site_of()
    return site


@pytest.fixture
async def production(site_of: Any) -> Site:
    site: Site = await site_of(
        env="production",
        jwt_secret=SecretStr("j" * 40),
        api_token=SecretStr("api-token-of-the-test"),
        service_token=SecretStr(SERVICE),
        trusted_proxies=("10.0.0.1",),
        registration="open",
    )
    return site


def code_of(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


async def test_in_development_the_local_operator_needs_no_login(development: Site) -> None:
    async with development.client() as client:
        me = (await client.get("/api/auth/me")).json()
        assert (me["user_id"], me["org_id"]) == ("local", "local")
        assert {"admin", "owner"} == set(me["roles"])
        assert "workflows.approve" in me["permissions"]
        assert (await client.get("/api/system/errors?limit=20")).json()["errors"] == []
        limits = (await client.get("/api/system/rate-limits")).json()
        assert {"name": "login_account", "limit": "5/minute", "refused": 0} in limits["rate_limits"]


async def test_the_header_line_of_the_runbook_works_in_development(development: Site) -> None:
    headers = {"X-User-ID": "user-123", "X-Org-ID": "org-456", "X-User-Roles": "admin,member"}
    async with development.client() as client:
        me = (await client.get("/api/auth/me", headers=headers)).json()
    assert (me["user_id"], me["org_id"], me["roles"]) == ("user-123", "org-456", ["admin", "member"])


async def test_a_stranger_with_identity_headers_is_refused(production: Site) -> None:
    headers = {"X-User-ID": "user-123", "X-Org-ID": "org-456", "X-User-Roles": "admin"}
    async with production.client(STRANGER) as client:
        assert code_of(await client.get("/api/auth/me", headers=headers)) == (401, "unproven_identity")
        assert code_of(await client.get("/api/auth/me")) == (401, "unauthenticated")
        forged = {**headers, "X-Forwarded-For": "127.0.0.1"}
        assert code_of(await client.get("/api/auth/me", headers=forged)) == (401, "unproven_identity")
        proven = {**headers, "Authorization": f"Bearer {SERVICE}"}
        assert code_of(await client.get("/api/auth/me", headers=proven)) == (403, "forbidden")
        allowed = {**proven, "X-User-Roles": "member"}
        assert (await client.get("/api/auth/me", headers=allowed)).json()["org_id"] == "org-456"


async def test_the_runbooks_two_lines_for_workflows_work(development: Site) -> None:
    headers = {"X-User-ID": "user-123", "X-Org-ID": "org-456", "X-User-Roles": "admin,member"}
    definition = {"name": "Tell", "steps": [{"id": "tell", "type": "notify", "message": "Hello."}]}
    async with development.client() as client:
        made = await client.post("/api/workflows", json={"definition": definition}, headers=headers)
        assert (made.status_code, made.json()["created_by"]) == (201, "user-123")
        (shown,) = (await client.get("/api/workflows", headers=headers)).json()["workflows"]
        assert shown["name"] == "Tell"
        assert (await client.post("/api/auth/register", json={**JANE, "name": "Jane"})).status_code == 201
        account = (await client.post("/api/auth/login", json=JANE)).json()
        token = {"Authorization": f"Bearer {account['access_token']}"}
        assert (await client.get("/api/workflows", headers=token)).json() == {"workflows": [], "next_cursor": None}
        viewer = {**headers, "X-User-Roles": "viewer"}
        refused = await client.post("/api/workflows", json={"definition": definition}, headers=viewer)
        assert code_of(refused) == (403, "forbidden")


async def test_a_service_reads_workflows_for_a_person_by_headers(production: Site) -> None:
    headers = {"X-User-ID": "user-123", "X-Org-ID": "org-456", "X-User-Roles": "member"}
    async with production.client(STRANGER) as client:
        assert code_of(await client.get("/api/workflows", headers=headers)) == (401, "unproven_identity")
        proven = {**headers, "Authorization": f"Bearer {SERVICE}"}
        assert (await client.get("/api/workflows", headers=proven)).json()["workflows"] == []


async def test_a_repeated_header_does_not_slip_past_the_check(production: Site) -> None:
    async with production.client(STRANGER) as client:
        twice = [("Authorization", "Bearer wrong"), ("Authorization", f"Bearer {SERVICE}")]
        assert (await client.get("/api/auth/me", headers=twice)).status_code == 401


async def test_an_account_from_registration_to_logout(production: Site) -> None:
    async with production.client(STRANGER) as client:
        created = await client.post("/api/auth/register", json={**JANE, "name": "Jane"})
        assert (created.status_code, created.json()["roles"]) == (201, ["owner"])
        assert PASSWORD not in created.text
        assert code_of(await client.post("/api/auth/register", json=JANE)) == (409, "exists")
        assert code_of(await client.post("/api/auth/login", json={**JANE, "password": "wrong one"})) == (
            401, "invalid_credentials",
        )  # fmt: skip
        tokens = (await client.post("/api/auth/login", json=JANE)).json()
        assert {"access_token", "refresh_token", "expires_in"} <= tokens.keys()
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        me = (await client.get("/api/auth/me", headers=bearer)).json()
        assert me["org_id"] == created.json()["org_id"]
        assert code_of(await client.get("/api/admin/audit", headers=bearer)) == (403, "forbidden")
        renewed = (await client.post("/api/auth/refresh", json={"refresh_token": tokens["refresh_token"]})).json()
        again = await client.post("/api/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
        assert code_of(again) == (401, "token_reused")
        bearer = {"Authorization": f"Bearer {renewed['access_token']}"}
        assert code_of(await client.get("/api/auth/me", headers=bearer)) == (401, "token_revoked")
        fresh = (await client.post("/api/auth/login", json=JANE)).json()
        bearer = {"Authorization": f"Bearer {fresh['access_token']}"}
        assert (await client.post("/api/auth/logout", headers=bearer)).status_code == 204
        assert code_of(await client.get("/api/auth/me", headers=bearer)) == (401, "token_revoked")


async def test_an_api_key_is_shown_once_and_ends_when_revoked(production: Site) -> None:
    async with production.client(STRANGER) as client:
        await client.post("/api/auth/register", json=JANE)
        tokens = (await client.post("/api/auth/login", json=JANE)).json()
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        made = await client.post("/api/auth/api-key", headers=bearer)
        assert made.status_code == 201
        assert made.headers["cache-control"] == "no-store"
        key = {"Authorization": f"Bearer {made.json()['api_key']}"}
        assert made.json()["api_key"].startswith(made.json()["prefix"])
        assert (await client.get("/api/auth/me", headers=key)).json()["method"] == "api_key"
        assert (await client.delete("/api/auth/api-key", headers=bearer)).json() == {"revoked": 1}
        assert code_of(await client.get("/api/auth/me", headers=key)) == (401, "invalid_api_key")


async def test_the_local_operator_has_api_keys_too(development: Site) -> None:
    async with development.client() as client:
        keys = [(await client.post("/api/auth/api-key", json={"name": f"k{n}"})).json() for n in range(2)]
        me = await client.get("/api/auth/me", headers={"Authorization": f"Bearer {keys[0]['api_key']}"})
        assert (me.json()["user_id"], me.json()["method"]) == ("local", "api_key")
        one = await client.delete(f"/api/auth/api-key?key_id={keys[0]['key_id']}")
        assert one.json() == {"revoked": 1}
        named = {"X-User-ID": "user-123", "X-Org-ID": "org-456"}
        assert code_of(await client.post("/api/auth/api-key", headers=named)) == (403, "login_required")


async def test_the_first_administrator_is_made_with_the_api_token_and_must_enrol(production: Site) -> None:
    operator = {"Authorization": "Bearer api-token-of-the-test"}
    root = {"email": "root@example.com", "password": PASSWORD, "name": "Root", "roles": ["owner", "admin"]}
    async with production.client(STRANGER) as client:
        assert code_of(await client.post("/api/auth/register", json=root)) == (403, "forbidden")
        assert (await client.post("/api/auth/register", json=root, headers=operator)).status_code == 201
        assert code_of(await client.get("/api/admin/audit", headers=operator)) == (403, "mfa_required")
        tokens = (await client.post("/api/auth/login", json={**JANE, "email": "root@example.com"})).json()
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        assert code_of(await client.get("/api/admin/audit", headers=bearer)) == (403, "mfa_required")
        offered = (await client.post("/api/auth/mfa/enroll", headers=bearer)).json()
        code = pyotp.TOTP(offered["secret"]).now()
        shown = (await client.post("/api/auth/mfa/verify", json={"code": code}, headers=bearer)).json()
        assert len(shown["backup_codes"]) == 10
        entries = (await client.get("/api/admin/audit", headers=bearer)).json()["entries"]
        assert "auth.mfa_enabled" in [entry["action"] for entry in entries]
        assert offered["secret"] not in str(entries)
        challenge = (await client.post("/api/auth/login", json={**JANE, "email": "root@example.com"})).json()
        assert challenge["mfa_required"] is True
        assert "access_token" not in challenge
        second = {"challenge": challenge["challenge"], "code": shown["backup_codes"][0]}
        assert "access_token" in (await client.post("/api/auth/login", json=second)).json()


async def test_impersonation_is_for_administrators_and_leaves_a_trace(development: Site) -> None:
    async with development.client() as client:
        user = (await client.post("/api/auth/register", json=JANE)).json()
        url = f"/api/admin/users/{user['user_id']}/impersonate"
        acting = (await client.post(url, json={"reason": "support case 7"})).json()
        bearer = {"Authorization": f"Bearer {acting['access_token']}"}
        me = (await client.get("/api/auth/me", headers=bearer)).json()
        assert (me["user_id"], me["impersonator"]) == (user["user_id"], "local")
        assert (await client.post("/api/auth/api-key", headers=bearer)).status_code == 403
        assert (await client.post(url, json={"reason": "deeper"}, headers=bearer)).status_code == 403
        entries = (await client.get("/api/admin/audit?action=admin.impersonate")).json()["entries"]
        assert [entry["details"]["reason"] for entry in entries] == ["support case 7"]
        assert code_of(await client.post("/api/admin/users/usr_x/impersonate", json={"reason": "abc"})) == (
            404, "not_found",
        )  # fmt: skip


async def test_a_ticket_opens_one_websocket_which_ends_with_the_login(production: Site) -> None:
    sockets: SocketRegistry = production.sockets
    async with production.client(STRANGER) as client:
        await client.post("/api/auth/register", json=JANE)
        tokens = (await client.post("/api/auth/login", json=JANE)).json()
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        ticket = (await client.post("/api/auth/ws-ticket", headers=bearer)).json()["ticket"]
        facts = CallerFacts(STRANGER, [(b"host", b"x")], ticket=ticket)
        principal = await production.identity.authenticator.authenticate(facts)
        assert principal.expires_at  # the socket registry closes the connection then at the latest
        said: list[Any] = []

        async def send(message: Any) -> None:
            said.append(message)

        connection = Connection("con_1", Caller(principal, STRANGER), send, SystemClock(), 10)
        with sockets.holding(connection):
            await sockets.end_revoked()
            await connection.say_goodbye()
            assert said == []
            await client.post("/api/auth/logout", headers=bearer)
            await sockets.end_revoked()
            await connection.say_goodbye()
        assert [(one["type"], one["code"]) for one in said] == [("websocket.close", 1008)]
        with pytest.raises(Exception, match="ticket"):
            await production.identity.authenticator.authenticate(facts)


async def test_in_production_an_address_takes_tickets_and_no_token(production: Site) -> None:
    authenticator = production.identity.authenticator

    def facts(**query: str) -> CallerFacts:
        return CallerFacts(STRANGER, [(b"host", b"x")], **query)

    async with production.client(STRANGER) as client:
        await client.post("/api/auth/register", json=JANE)
        tokens = (await client.post("/api/auth/login", json=JANE)).json()
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        key = (await client.post("/api/auth/api-key", headers=bearer)).json()["api_key"]
        ticket = (await client.post("/api/auth/ws-ticket", headers=bearer)).json()["ticket"]
        for lasting in (tokens["access_token"], key, SERVICE, "junk", ""):
            with pytest.raises(Unauthenticated, match="POST /api/auth/ws-ticket") as refused:
                await authenticator.authenticate(facts(token=lasting))
            assert refused.value.code == "ticket_required"
        assert (await authenticator.authenticate(facts(token=ticket))).user_id
        with pytest.raises(Unauthenticated):
            await authenticator.authenticate(facts(token=ticket))


async def test_in_development_an_address_may_hold_a_token(site_of: Callable[..., Any]) -> None:
    site = await site_of(api_token=SecretStr("a-token-of-the-test"))
    facts = CallerFacts(STRANGER, [(b"host", b"x")], token="a-token-of-the-test")
    assert (await site.identity.authenticator.authenticate(facts)).every_org


async def test_floods_are_refused_with_headers_that_say_when(production: Site) -> None:
    async with production.client(STRANGER) as client:
        answers = [await client.post("/api/auth/login", json={**JANE, "password": f"guess {n}"}) for n in range(6)]
        assert [answer.status_code for answer in answers] == [401] * 5 + [429]
        assert int(answers[-1].headers["retry-after"]) >= 1
        assert answers[0].headers["ratelimit-policy"] == '"address";q=1200;w=60'
        assert answers[0].headers["ratelimit"].startswith('"address";r=1199;t=')
    async with production.client("10.0.0.1") as proxy:
        # Behind a trusted proxy the client is who the proxy saw, whatever the client wrote itself.
        same = {"X-Forwarded-For": f"198.51.100.7, {STRANGER}"}
        assert (await proxy.post("/api/auth/login", json=JANE, headers=same)).status_code == 429
        other = {"X-Forwarded-For": f"{STRANGER}, 198.51.100.7"}
        assert (await proxy.post("/api/auth/login", json=JANE, headers=other)).status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        {}, {"email": "x"}, {"email": "a@b", "password": ""}, {"email": "a\u0000@b.c", "password": "x"},
        {"email": "a@b.c", "password": "x\ud800"}, {"challenge": "x", "password": "y"}, {"challenge": "x", "code": "1"},
        {"email": ["a"], "password": {}}, {"extra": 1}, [],
    ],
)  # fmt: skip
async def test_a_malformed_login_is_a_422_that_repeats_nothing(body: Any, production: Site) -> None:
    async with production.client(STRANGER) as client:
        answer = await client.post(
            "/api/auth/login", content=json.dumps(body), headers={"Content-Type": "application/json"}
        )
    assert answer.status_code == 422


async def test_login_with_google_says_when_it_is_not_set_up(production: Site) -> None:
    async with production.client(STRANGER) as client:
        assert code_of(await client.get("/api/auth/oauth/google")) == (404, "not_found")
        assert code_of(await client.post("/api/auth/oauth/exchange", json={"code": "invented"})) == (
            401,
            "invalid_code",
        )


async def test_checks_and_denials_are_counted(production: Site) -> None:
    REGISTRY.drain()
    async with production.client(STRANGER) as client:
        await client.post("/api/auth/register", json=JANE)
        tokens = (await client.post("/api/auth/login", json=JANE)).json()
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        await client.get("/api/admin/audit", headers=bearer)
        await client.get("/api/auth/me")
    counted = {(delta.sample, delta.labels): delta.amount for delta in REGISTRY.drain()}
    denied = (("handler", "/api/admin/audit"), ("permission", "admin"))
    assert counted["aragora_rbac_permission_denied_total", denied] == 1
    checks = (("permission", "admin"), ("result", "denied"))
    assert counted["aragora_rbac_permission_checks_total", checks] == 1
    assert counted["aragora_rbac_check_latency_seconds_count", ()] >= 1


async def test_without_the_database_nobody_is_let_in_and_the_answer_is_503(production: Site, tmp_path: Path) -> None:
    async with production.client(STRANGER) as client:
        await client.post("/api/auth/register", json=JANE)
        tokens = (await client.post("/api/auth/login", json=JANE)).json()
        await production.aclose()
        (tmp_path / "users.db").rename(tmp_path / "gone.db")
        answer = await client.get("/api/auth/me", headers={"Authorization": f"Bearer {tokens['access_token']}"})
        assert answer.status_code == 503
        noted = (await production.figures.failures(5)).notes
        assert [(note.path, note.status) for note in noted] == [("/api/auth/me", 503)]
