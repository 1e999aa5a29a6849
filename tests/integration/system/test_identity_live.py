"""Identity on a running server that demands a login: accounts, keys, tickets, forged headers, administration, metrics,
and that no secret of a run is found where it does not belong."""

from __future__ import annotations

import asyncio
import json
import secrets
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyotp
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from worlds.guarded_server import Account, Guarded
from worlds.live_server import ROOT, LiveServer, Response, command, environment, free_port, running
from worlds.server_processes import end_all, processes_of
from worlds.typed_page import typed
from worlds.waiting import WAIT_S

pytestmark = pytest.mark.slow

RAY_MARK: Final = "RAY_SERVE_HAPROXY_SERVER_STATE_FILE"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    names = ("ARAGORA_JWT_SECRET", "ARAGORA_API_TOKEN", "ARAGORA_SERVICE_TOKEN", "ARAGORA_ENCRYPTION_KEY")
    tokens = {name: secrets.token_hex(32) for name in names}
    data_dir = tmp_path_factory.mktemp("guarded") / "data"
    few = {"ARAGORA_MAX_CONNECTIONS_PER_USER": "8", "ARAGORA_WORKERS": "1"}
    variables = {**tokens, **few, "ARAGORA_LOG_LEVEL": "DEBUG", "ARAGORA_STUB_LATENCY_MS": "20"}
    with running(data_dir, **variables) as server:
        yield Guarded(server, tokens, set(tokens.values()))
    end_all(data_dir)


@pytest.fixture(scope="module")
def alice(guarded: Guarded) -> Account:
    return guarded.account("alice")


def code_of(answer: Response) -> tuple[int, str]:
    return answer.status, answer.json["error"]["code"]


def test_nobody_is_let_in_without_a_proof(guarded: Guarded) -> None:
    for path in ("/api/debates", "/api/auth/me", "/api/integrations", "/api/system/errors", "/api/admin/audit"):
        refused = guarded.server.request("GET", path)
        assert code_of(refused) == (401, "unauthenticated"), path
        assert refused.headers["www-authenticate"] == "Bearer"
    assert guarded.server.request("GET", "/api/health").status == 200


def test_no_forwarding_header_makes_a_caller_the_local_operator(guarded: Guarded) -> None:
    for headers in (
        {"X_Forwarded_For": "127.0.0.1"},
        {"X_Forwarded_For": "127.0.0.1, ::1"},
        {"X_Real_IP": "127.0.0.1"},
        {"Forwarded": "for=127.0.0.1"},
    ):
        assert code_of(guarded.server.request("GET", "/api/debates", None, **headers)) == (401, "unauthenticated")


def test_identity_headers_count_only_with_the_service_token(guarded: Guarded, alice: Account) -> None:
    named = {"X_User_ID": "user-123", "X_Org_ID": alice.org_id, "X_User_Roles": "admin,owner"}
    bearer = {"Authorization": f"Bearer {guarded.tokens['ARAGORA_SERVICE_TOKEN']}"}

    bare = guarded.server.request("GET", "/api/debates", None, **named)
    beside = guarded.server.request("GET", "/api/debates", None, **named, Authorization=f"Bearer {alice.access}")
    too_much = guarded.server.request("GET", "/api/auth/me", None, **named, **bearer)
    proven = guarded.server.request("GET", "/api/auth/me", None, **{**named, "X_User_Roles": "member"}, **bearer)

    assert code_of(bare) == code_of(beside) == (401, "unproven_identity")
    assert code_of(too_much) == (403, "forbidden")
    assert (proven.json["user_id"], proven.json["roles"]) == ("user-123", ["member"])


def test_who_logged_in_sees_roles_and_permissions(alice: Account) -> None:
    me = alice.ask("GET", "/api/auth/me").json

    assert (me["user_id"], me["org_id"], me["roles"], me["method"]) == (
        alice.user_id, alice.org_id, ["owner"], "session",
    )  # fmt: skip
    assert {"debates.create", "workflows.approve", "integrations.manage"} <= set(me["permissions"])
    assert "system.admin" not in me["permissions"]
    assert alice.ask("GET", "/api/debates").status == 200
    assert code_of(alice.ask("GET", "/api/admin/audit")) == (403, "forbidden")


def test_refresh_tokens_rotate_and_a_stolen_one_ends_the_login(guarded: Guarded) -> None:
    bob = guarded.account("bob")
    stolen = bob.refresh
    bob.renew()
    assert bob.ask("GET", "/api/auth/me").status == 200

    reused = guarded.server.request("POST", "/api/auth/refresh", {"refresh_token": stolen})

    assert reused.status == 401
    assert code_of(bob.ask("GET", "/api/auth/me")) == (401, "token_revoked")
    assert guarded.server.request("POST", "/api/auth/refresh", {"refresh_token": bob.refresh}).status == 401
    bob.login()
    assert bob.ask("POST", "/api/auth/logout").status == 204
    assert code_of(bob.ask("GET", "/api/auth/me")) == (401, "token_revoked")


def test_an_api_key_works_until_it_is_revoked(guarded: Guarded, alice: Account) -> None:
    made = alice.ask("POST", "/api/auth/api-key", {"name": "ci"}).json
    bearer = {"Authorization": f"Bearer {guarded.secret(made['api_key'])}"}
    assert made["api_key"].startswith(made["prefix"])
    assert guarded.server.request("GET", "/api/auth/me", None, **bearer).json["method"] == "api_key"

    revoked = alice.ask("DELETE", f"/api/auth/api-key?key_id={made['key_id']}")

    assert revoked.json == {"revoked": 1}
    assert code_of(guarded.server.request("GET", "/api/auth/me", None, **bearer)) == (401, "invalid_api_key")


async def test_a_ticket_opens_one_websocket_which_closes_when_the_login_ends(guarded: Guarded) -> None:
    carol = await asyncio.to_thread(guarded.account, "carol")
    opened = await asyncio.to_thread(
        carol.ask, "POST", "/api/debates", {"question": "Tea?", "agents": ["stub-1", "stub-2"], "rounds": 1}
    )
    url = f"ws://127.0.0.1:{guarded.server.ws_port}/ws"
    ticket = await asyncio.to_thread(carol.ticket)
    async with connect(f"{url}?ticket={ticket}", open_timeout=WAIT_S) as socket, asyncio.timeout(90):
        assert json.loads(await socket.recv())["data"]["user_id"] == carol.user_id
        await socket.send(json.dumps({"type": "subscribe", "debate_id": opened.json["debate_id"]}))
        while json.loads(await socket.recv())["type"] != "debate_end":
            continue
        for query in ("", f"?ticket={ticket}", "?ticket=invented"):
            with pytest.raises(InvalidStatus) as refused:
                await connect(url + query, open_timeout=WAIT_S)
            assert refused.value.response.status_code == 401
        await asyncio.to_thread(carol.ask, "POST", "/api/auth/logout")
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(heard_to_the_end(socket), WAIT_S)


async def heard_to_the_end(socket: ClientConnection) -> None:
    while True:
        await socket.recv()


async def test_whom_the_operators_command_disables_is_out_of_everything_within_seconds(guarded: Guarded) -> None:
    dave = await asyncio.to_thread(guarded.account, "dave")
    key = guarded.secret((await asyncio.to_thread(dave.ask, "POST", "/api/auth/api-key")).json["api_key"])
    url = f"ws://127.0.0.1:{guarded.server.ws_port}/ws"

    def by_key() -> int:
        return guarded.server.request("GET", "/api/auth/me", None, Authorization=f"Bearer {key}").status

    assert await asyncio.to_thread(by_key) == 200
    header = {"Authorization": f"Bearer {key}"}
    async with connect(url, additional_headers=header, open_timeout=WAIT_S) as socket, asyncio.timeout(90):
        await socket.recv()
        disabling = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "aragora.cli", "users", "disable", dave.who["email"], "--last-owner", "--yes"),
            env=environment(guarded.server.data_dir, **guarded.tokens),
        )
        assert await disabling.wait() == 0
        assert (await asyncio.to_thread(dave.ask, "GET", "/api/auth/me")).status == 401, "its login has ended"
        await asyncio.to_thread(guarded.server.until, lambda: by_key() == 401)
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(heard_to_the_end(socket), WAIT_S)


def test_every_command_of_the_identity_page_works_as_it_is_typed(guarded: Guarded, tmp_path: Path) -> None:
    done = typed(ROOT / "docs/identity.md", guarded.server, tmp_path, guarded.tokens)

    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    for told in ("system.admin", "ws://", "There was no second factor.", "mike@example.com is disabled."):
        assert told in done.stdout
    refused = guarded.server.request(
        "POST", "/api/auth/login", {"email": "mike@example.com", "password": "two figs under the stairs"}
    )
    assert code_of(refused) == (401, "invalid_credentials")


def test_limits_are_told_and_guessing_is_slowed(guarded: Guarded) -> None:
    elsewhere = {"X_Forwarded_For": "203.0.113.77"}  # a development server does not limit its own machine
    who = {"email": "dora@example.com", "password": "a guess"}

    told = guarded.server.request("GET", "/api/leaderboard/rankings", None, **elsewhere)
    guesses = [guarded.server.request("POST", "/api/auth/login", who, **elsewhere) for _ in range(6)]

    assert told.headers["ratelimit-policy"] == '"address";q=1200;w=60'
    assert told.headers["ratelimit"].startswith('"address";r=')
    assert [answer.status for answer in guesses] == [401] * 5 + [429]
    assert int(guesses[-1].headers["retry-after"]) >= 1
    rows = guarded.ask("GET", "/api/system/rate-limits").json["rate_limits"]
    assert {"name": "login_account", "limit": "5/minute", "refused": 1} in rows


def test_impersonation_is_counted_and_written_down(guarded: Guarded, alice: Account) -> None:
    before = guarded.page().value("aragora_admin_impersonate_total")
    url = f"/api/admin/users/{alice.user_id}/impersonate"
    assert alice.ask("POST", url, {"reason": "curious"}).status == 403

    acting = guarded.ask("POST", url, {"reason": "support case 7"})

    bearer = f"Bearer {guarded.secret(acting.json['access_token'])}"
    me = guarded.server.request("GET", "/api/auth/me", None, Authorization=bearer).json
    assert (me["user_id"], me["impersonator"]) == (alice.user_id, "api-token")
    assert guarded.page().value("aragora_admin_impersonate_total") == before + 1
    entry = guarded.ask("GET", "/api/admin/audit?action=admin.impersonate").json["entries"][0]
    assert (entry["actor"], entry["target"], entry["details"]["reason"]) == (
        "api-token", alice.user_id, "support case 7",
    )  # fmt: skip


def test_the_figures_of_security_appear_with_their_labels(guarded: Guarded) -> None:
    erin = guarded.account("erin")
    enrol_second_factor(guarded, erin)
    slack = {"settings": {"channel": "#ops", "bot_token": guarded.secret(secrets.token_urlsafe(24))}}
    assert erin.ask("PUT", "/api/integrations/slack", slack).status == 200
    assert erin.ask("GET", "/api/admin/audit").status == 403
    damage_integrations_of(guarded.server, erin.org_id)
    listed = erin.ask("GET", "/api/integrations")
    assert (listed.status, listed.json["integrations"]) == (200, [])
    assert [one["type"] for one in listed.json["unreadable"]] == ["slack"]
    failed = [one["path"] for one in guarded.ask("GET", "/api/system/errors").json["errors"]]
    assert "/api/integrations" not in failed

    migration = migrate_secrets(guarded)

    assert migration.returncode == 1, migration.stdout + migration.stderr  # the damaged record, the others are fine
    page = guarded.page()
    for name, labels in (
        ("aragora_encryption_operations_total", {"operation": "encrypt", "store": "mfa"}),
        ("aragora_encryption_operations_total", {"operation": "encrypt", "store": "integration"}),
        ("aragora_encryption_operation_latency_seconds_count", {"operation": "decrypt"}),
        ("aragora_encryption_errors_total", {"operation": "decrypt", "error_type": "DecryptionFailed"}),
        ("aragora_rbac_permission_checks_total", {"permission": "integrations.manage", "result": "allowed"}),
        ("aragora_rbac_permission_checks_total", {"permission": "admin", "result": "denied"}),
        ("aragora_rbac_permission_denied_total", {"permission": "admin", "handler": "/api/admin/audit"}),
        ("aragora_rbac_check_latency_seconds_count", {}),
        ("aragora_migration_records_total", {"store": "mfa", "status": "skipped"}),
        ("aragora_migration_records_total", {"store": "integration", "status": "failed"}),
        ("aragora_migration_errors_total", {"store": "integration", "error_type": "DecryptionFailed"}),
        ("aragora_auth_failures_total", {}),
        ("aragora_integration_store_operations_total", {"operation": "save", "status": "success"}),
        ("aragora_integration_store_operations_total", {"operation": "list", "status": "success"}),
        ("aragora_integration_store_latency_seconds_count", {"operation": "list"}),
        ("aragora_integration_store_health", {"backend": "sqlite"}),
        ("aragora_integration_store_active_integrations", {}),
    ):
        assert page.value(name, **labels) >= 1, (name, labels)
    told = {name for name, _ in page.samples}
    assert {"aragora_integration_store_cache_hit_rate", "aragora_integration_store_consecutive_failures"} <= told
    assert erin.ask("DELETE", "/api/integrations/slack").status == 204


async def test_sockets_and_streams_of_one_account_have_a_limit_and_end_with_the_login(guarded: Guarded) -> None:
    frank = await asyncio.to_thread(guarded.account, "frank")
    bearer = {"Authorization": f"Bearer {frank.access}"}
    url = f"ws://127.0.0.1:{guarded.server.ws_port}/ws"
    body = {"question": "Tea?", "agents": ["stub-1", "stub-2"], "rounds": 20, "topology": "all_to_all"}
    opened = await asyncio.to_thread(frank.ask, "POST", "/api/debates", body)
    sockets = [await connect(url, additional_headers=bearer, open_timeout=WAIT_S) for _ in range(8)]
    with pytest.raises(InvalidStatus) as refused:
        await connect(url, additional_headers=bearer, open_timeout=WAIT_S)
    assert refused.value.response.status_code == 429
    events = f"/api/debates/{opened.json['debate_id']}/events"
    stream = await asyncio.to_thread(
        guarded.server.request, "GET", events, None, Accept="text/event-stream", Authorization=bearer["Authorization"]
    )
    assert code_of(stream) == (429, "too_many_connections")
    assert (await asyncio.to_thread(frank.ask, "POST", "/api/auth/logout")).status in (200, 204)
    async with asyncio.timeout(WAIT_S):
        for socket in sockets:
            await socket.wait_closed()
    assert {socket.close_code for socket in sockets} == {1008}


async def test_no_secret_of_the_run_is_found_where_it_does_not_belong(guarded: Guarded, alice: Account) -> None:
    url = f"ws://127.0.0.1:{guarded.server.ws_port}/ws"
    for query in (f"ticket={await asyncio.to_thread(alice.ticket)}", f"token={alice.access}"):
        async with connect(f"{url}?{query}", open_timeout=WAIT_S) as socket:
            await socket.recv()

    places = await asyncio.to_thread(places_of_secrets, guarded, alice)

    assert len(guarded.found) >= 10
    for written in ("server.log", "core.db", "users.db", "haproxy.cfg", "ray/session_", "serve"):
        assert any(written in place for place in places), written
    leaks = [(place, secret[:6]) for place, text in places.items() for secret in guarded.found if secret in text]
    assert leaks == []


def places_of_secrets(guarded: Guarded, alice: Account) -> dict[str, str]:
    """Everything that is written or told, after a run that used every kind of secret, rightly and wrongly."""
    key = guarded.secret(alice.ask("POST", "/api/auth/api-key").json["api_key"])
    enrol_second_factor(guarded, alice)
    settings = {"bot_token": guarded.secret(secrets.token_urlsafe(24)), "secrets": guarded.secret("s" + key[::-1])}
    alice.ask("PUT", "/api/integrations/jira", {"settings": settings})
    opened = alice.ask("POST", "/api/debates", {"question": "Tea?", "agents": ["stub-1", "stub-2"], "rounds": 1}).json
    events = f"/api/debates/{opened['debate_id']}/events"
    guarded.server.until(lambda: "debate_end" in alice.ask("GET", events).body)
    told = {path: alice.ask("GET", path).body for path in (events, "/api/debates/export", "/api/integrations")}
    for path in ("/api/metrics", "/metrics", "/api/admin/audit?limit=500", "/api/system/errors?limit=500"):
        told[path] = guarded.ask("GET", path).body
    for text in (alice.access + "x", key[:-1], guarded.tokens["ARAGORA_API_TOKEN"] + "x"):
        refused = guarded.server.request("GET", "/api/auth/me", None, Authorization=f"Bearer {text}")
        told[f"refused {text[:6]}"] = refused.body + str(refused.headers)
    wrong = guarded.server.request("POST", "/api/auth/login", {**alice.who, "extra": alice.refresh})
    told["a malformed login"] = wrong.body
    told["standard output"] = guarded.server.told()
    for directory in (guarded.server.data_dir, ray_directory(guarded.server)):
        for written in (found for found in directory.rglob("*") if found.is_file() and not found.is_symlink()):
            told[str(written)] = written.read_bytes().decode("latin-1")
    return told


def ray_directory(server: LiveServer) -> Path:
    """Where Ray, Serve and HAProxy of this server write their logs and configuration."""
    (state_file,) = {process.environ()[RAY_MARK] for process in processes_of(server.data_dir)[:1]}
    return Path(state_file).parents[1]


def enrol_second_factor(guarded: Guarded, account: Account) -> None:
    offered = account.ask("POST", "/api/auth/mfa/enroll").json
    code = {"code": pyotp.TOTP(guarded.secret(offered["secret"])).now()}
    confirmed = account.ask("POST", "/api/auth/mfa/verify", code)
    guarded.found.update(confirmed.json["backup_codes"])


def damage_integrations_of(server: LiveServer, org_id: str) -> None:
    """Change a character of what is encrypted, as a bad disk would."""
    with sqlite3.connect(server.data_dir / "core.db", timeout=30) as database:
        query = "SELECT record_id, payload FROM integrations WHERE org_id = ?"
        ((record_id, payload),) = database.execute(query, (org_id,)).fetchall()
        document = json.loads(payload)
        text = document["bot_token"]["ciphertext"]
        document["bot_token"]["ciphertext"] = ("B" if text[0] == "A" else "A") + text[1:]
        change = "UPDATE integrations SET payload = ? WHERE record_id = ?"
        database.execute(change, (json.dumps(document), record_id))


def migrate_secrets(guarded: Guarded) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "aragora.storage.migrations.encrypt_existing_data", "--all", "--execute"],
        env=environment(guarded.server.data_dir, **guarded.tokens),
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
        check=False,
    )


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({}, {"ARAGORA_JWT_SECRET is not set", "ARAGORA_ENCRYPTION_KEY is not set"}),
        (
            {"ARAGORA_JWT_SECRET": "short", "ARAGORA_ALLOWED_ORIGINS": "https://*.example.com"},
            {"ARAGORA_JWT_SECRET is too short", "ARAGORA_ALLOWED_ORIGINS is wrong", "ARAGORA_ENCRYPTION_KEY"},
        ),
    ],
    ids=["nothing set", "unsafe values"],
)
def test_production_names_every_problem_at_once(tmp_path: Path, variables: dict[str, str], told: set[str]) -> None:
    refused = subprocess.run(
        command(free_port(), free_port()),
        env=environment(tmp_path, ARAGORA_ENV="production", **variables),
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        check=False,
    )
    lines = (refused.stdout + refused.stderr).splitlines()
    assert refused.returncode == 2, lines
    for problem in told:
        assert any(line.startswith(f"error: {problem}") for line in lines), (problem, lines)
