"""The routes over people and invitations, and registration as a stranger in production meets it."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
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
from aragora.identity.parts import Visit
from aragora.server.authentication import Caller, CallerFacts
from aragora.server.live.connection import Connection
from aragora.server.ports import ServerConfig

pytestmark = pytest.mark.slow

PASSWORD = "correct horse battery"
OPERATOR = {"Authorization": "Bearer api-token-of-the-test"}
STRANGER = "203.0.113.9"
Serving = Callable[..., Any]


@pytest.fixture
async def production(tmp_path: Path) -> AsyncIterator[Serving]:
    """A production server with these settings; all share the data directory."""
    opened: list[Served] = []

    async def build(**more: Any) -> Served:
        settings = Settings(
            data_dir=tmp_path,
            env="production",
            jwt_secret=SecretStr("j" * 40),
            api_token=SecretStr("api-token-of-the-test"),
            encryption_key=SecretStr(secrets.token_hex(32)),
            **more,
        )
        migrated(settings)
        config = ServerConfig("1.0.0", "ws://127.0.0.1:8765/ws", environment="production")
        world = World()
        world.add("deb_1", org_id="local")
        opened.append(served(settings, world, Boards(), config=config))
        return opened[-1]

    yield build
    for server in opened:
        await server.aclose()


def visitor(server: Served) -> httpx2.AsyncClient:
    return server.client(STRANGER, "localhost:8080")


def code_of(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


async def bearer(client: httpx2.AsyncClient, email: str) -> dict[str, str]:
    tokens = (await client.post("/api/auth/login", json={"email": email, "password": PASSWORD})).json()
    return {"Authorization": f"Bearer {tokens['access_token']}"}


async def made(client: httpx2.AsyncClient, name: str, *roles: str) -> dict[str, Any]:
    body = {"email": f"{name}@example.com", "password": PASSWORD, "name": name, "roles": list(roles)}
    answer = await client.post("/api/auth/register", json=body, headers=OPERATOR)
    assert answer.status_code == 201, answer.text
    account: dict[str, Any] = answer.json()
    return account


async def test_in_production_a_stranger_gets_no_account_unless_that_is_set(production: Serving) -> None:
    stranger = {"email": "x@example.com", "password": PASSWORD}
    async with visitor(await production()) as client:
        refused = await client.post("/api/auth/register", json=stranger)
        assert code_of(refused) == (403, "registration_closed")
        assert "ARAGORA_REGISTRATION" in refused.json()["error"]["message"]
        assert (await made(client, "root", "owner", "admin"))["org_id"] == "local"
    async with visitor(await production(registration="open")) as client:
        assert (await client.post("/api/auth/register", json=stranger)).status_code == 201


@pytest.mark.parametrize("email", ["ja\u200bne@example.com", "ja\u202ene@example.com", "jane"])
async def test_an_address_with_unseen_characters_is_a_422(email: str, production: Serving) -> None:
    async with visitor(await production(registration="open")) as client:
        answer = await client.post("/api/auth/register", json={"email": email, "password": PASSWORD})
    assert code_of(answer) == (422, "invalid_input")
    assert "email" in answer.json()["error"]["message"]


async def test_two_spellings_of_an_address_are_one_account(production: Serving) -> None:
    async with visitor(await production(registration="open")) as client:
        first = await client.post("/api/auth/register", json={"email": "jose\u0301@example.com", "password": PASSWORD})
        assert first.json()["email"] == "jos\u00e9@example.com"
        again = await client.post("/api/auth/register", json={"email": "JOS\u00c9@example.com", "password": PASSWORD})
        assert code_of(again) == (409, "exists")
        assert (await bearer(client, "jos\u00e9@example.com"))["Authorization"]


async def test_from_invitation_to_the_end_of_an_account(production: Serving) -> None:
    server = await production(registration="invited")
    async with visitor(server) as client:
        await made(client, "olga", "owner")
        olga = await bearer(client, "olga@example.com")
        offer = {"email": "mike@example.com", "roles": ["member"]}
        assert code_of(await client.post("/api/invitations", json={**offer, "roles": ["admin"]}, headers=olga)) == (
            403, "forbidden",
        )  # fmt: skip
        invited = await client.post("/api/invitations", json=offer, headers=olga)
        assert (invited.status_code, invited.headers["cache-control"]) == (201, "no-store")
        token = invited.json()["token"]
        (listed,) = (await client.get("/api/invitations", headers=olga)).json()["invitations"]
        assert "token" not in listed
        accepted = await client.post("/api/invitations/accept", json={"token": token, "password": PASSWORD})
        assert (accepted.status_code, accepted.json()["roles"]) == (201, ["member"])
        again = await client.post("/api/invitations/accept", json={"token": token, "password": PASSWORD})
        assert code_of(again) == (401, "invalid_invitation")
        mike, path = await bearer(client, "mike@example.com"), f"/api/users/{accepted.json()['user_id']}"
        assert code_of(await client.get("/api/users", headers=mike)) == (403, "forbidden")
        key = (await client.post("/api/auth/api-key", headers=mike)).json()["api_key"]
        by_key = {"Authorization": f"Bearer {key}"}

        listed = (await client.get("/api/users?limit=1", headers=olga)).json()
        rest = (await client.get(f"/api/users?after={listed['next_after']}", headers=olga)).json()
        assert [one["email"] for one in listed["users"] + rest["users"]] == ["olga@example.com", "mike@example.com"]
        assert "password" not in str(listed)
        detail = (await client.get(path, headers=olga)).json()
        assert (detail["sessions"], detail["api_keys"], detail["disabled"]) == (1, 1, False)

        changed = await client.patch(path, json={"roles": ["viewer"]}, headers=olga)
        assert changed.json()["roles"] == ["viewer"]
        for proof in (mike, by_key):
            assert code_of(await client.post("/api/debates", json={"question": "Tea?"}, headers=proof)) == (
                403, "forbidden",
            )  # fmt: skip
        assert (await client.post(f"{path}/mfa/reset", headers=olga)).json() == {"reset": False}
        assert code_of(await client.get("/api/auth/me", headers=mike)) == (401, "token_revoked")
        mike = await bearer(client, "mike@example.com")
        assert (await client.post(f"{path}/sessions/revoke", headers=olga)).json() == {"ended": 1}
        mike = await bearer(client, "mike@example.com")
        assert (await client.patch(path, json={"disabled": True}, headers=olga)).json()["disabled"] is True
        for proof in (mike, by_key):
            assert (await client.get("/api/auth/me", headers=proof)).status_code == 401
        assert (await client.patch(path, json={"disabled": False}, headers=olga)).json()["disabled"] is False
        assert (await client.get("/api/auth/me", headers=by_key)).json()["roles"] == ["viewer"]
        assert (await client.post(f"{path}/api-keys/revoke", headers=olga)).json() == {"revoked": 1}
        assert (await client.get("/api/auth/me", headers=by_key)).status_code == 401
        assert code_of(await client.patch(path, json={}, headers=olga)) == (422, "invalid_input")


async def test_an_invitation_is_revoked(production: Serving) -> None:
    async with visitor(await production(registration="invited")) as client:
        await made(client, "olga", "owner")
        olga = await bearer(client, "olga@example.com")
        offer = {"email": "mike@example.com", "roles": ["member"]}
        invited = (await client.post("/api/invitations", json=offer, headers=olga)).json()
        path = f"/api/invitations/{invited['invitation_id']}"
        assert (await client.delete(path, headers=olga)).status_code == 204
        assert code_of(await client.delete(path, headers=olga)) == (404, "not_found")
        body = {"token": invited["token"], "password": PASSWORD}
        assert code_of(await client.post("/api/invitations/accept", json=body)) == (401, "invalid_invitation")


async def test_open_sockets_of_a_disabled_account_are_closed_at_the_next_look(production: Serving) -> None:
    server = await production()
    async with visitor(server) as client:
        account = await made(client, "mike", "member")
        await made(client, "olga", "owner")
        mike, olga = await bearer(client, "mike@example.com"), await bearer(client, "olga@example.com")
        key = (await client.post("/api/auth/api-key", headers=mike)).json()["api_key"]
        proofs = (mike["Authorization"], f"Bearer {key}")
        said: list[Any] = []

        async def send(message: Any) -> None:
            said.append(message)

        sockets, connections = server.features["debates"].ports.sockets, []
        for proof in proofs:
            facts = CallerFacts(STRANGER, [(b"host", b"x"), (b"authorization", proof.encode())])
            principal = await server.identity.authenticator.authenticate(facts)
            caller = Caller(principal, STRANGER)
            connections.append(Connection(f"con_{len(connections)}", caller, send, SystemClock(), 10))
        with sockets.holding(connections[0]), sockets.holding(connections[1]):
            await sockets.end_revoked()
            assert said == []
            changed = await client.patch(f"/api/users/{account['user_id']}", json={"disabled": True}, headers=olga)
            assert changed.status_code == 200
            await sockets.end_revoked()
            for connection in connections:
                await connection.say_goodbye()
        assert [(one["type"], one["code"]) for one in said] == [("websocket.close", 1008)] * 2


async def test_an_administrator_disables_an_account_after_a_second_factor(
    production: Serving,
) -> None:
    async with visitor(await production(registration="open")) as client:
        body = {"email": "mike@example.com", "password": PASSWORD}
        mike = (await client.post("/api/auth/register", json=body)).json()
        root = await made(client, "root", "owner", "admin")
        assert mike["org_id"] != root["org_id"]
        path, by_mike = f"/api/admin/users/{mike['user_id']}/disable", await bearer(client, "mike@example.com")
        by_root = await bearer(client, "root@example.com")
        assert code_of(await client.post(path)) == (401, "unauthenticated")
        assert code_of(await client.post(path, headers=by_mike)) == (403, "forbidden")
        assert code_of(await client.post(path, headers=by_root)) == (403, "mfa_required")
        offered = (await client.post("/api/auth/mfa/enroll", headers=by_root)).json()
        code = {"code": pyotp.TOTP(offered["secret"]).now()}
        assert (await client.post("/api/auth/mfa/verify", json=code, headers=by_root)).status_code == 200

        last_owner = await client.post(path, headers=by_root)
        assert code_of(last_owner) == (409, "last_owner")
        assert (await client.get("/api/auth/me", headers=by_mike)).status_code == 200
        member = await made(client, "olga", "member")
        by_olga = await bearer(client, "olga@example.com")
        disabled = await client.post(f"/api/admin/users/{member['user_id']}/disable", headers=by_root)
        assert (disabled.status_code, disabled.json()["disabled"]) == (200, True)
        assert (await client.get("/api/auth/me", headers=by_olga)).status_code == 401
        (entry,) = (await client.get("/api/admin/audit?action=user.disable", headers=by_root)).json()["entries"]
        assert (entry["actor"], entry["target"]) == (root["user_id"], member["user_id"])
        unknown = await client.post("/api/admin/users/usr_nobody/disable", headers=by_root)
        assert code_of(unknown) == (404, "not_found")


async def test_commands_of_an_administrator_who_acts_as_a_user_bear_both_names(production: Serving) -> None:
    server = await production()
    async with visitor(server) as client:
        user = await made(client, "jane", "member")
        pair = await server.identity.feature.ports.accounts.impersonate(
            await server.identity.authenticator.authenticate(
                CallerFacts(STRANGER, [(b"host", b"x"), (b"authorization", OPERATOR["Authorization"].encode())])
            ),
            user["user_id"], "case 7", Visit(STRANGER),
        )  # fmt: skip
        acting = {"Authorization": f"Bearer {pair.access_token}"}
        assert (await client.get("/api/debates", headers=acting)).status_code == 200
        opened = await client.post("/api/debates", json={"question": "Tea?"}, headers=acting)
        assert opened.status_code == 202
        vote = {"choice": "ada", "intensity": 5}
        assert (await client.post("/api/debates/deb_1/votes", json=vote, headers=acting)).status_code == 201
        await client.post("/api/debates/deb_1/cancel", headers=acting)
        jane = await bearer(client, "jane@example.com")
        await client.post("/api/debates", json={"question": "Coffee?"}, headers=jane)
    entries = await server.identity.feature.ports.parts.audit.page(action="impersonation.deed")
    assert [(entry.event.target, entry.event.details["deed"]) for entry in reversed(entries)] == [
        ("/api/debates", "POST /api/debates"),
        ("/api/debates/deb_1/votes", "POST /api/debates/{debate_id}/votes"),
        ("/api/debates/deb_1/cancel", "POST /api/debates/{debate_id}/cancel"),
    ]
    assert {(entry.event.actor, entry.event.subject) for entry in entries} == {("api-token", user["user_id"])}


async def test_a_new_password_takes_the_keys_where_that_is_asked(production: Serving) -> None:
    async with visitor(await production()) as client:
        await made(client, "jane", "member")
        jane = await bearer(client, "jane@example.com")
        key = (await client.post("/api/auth/api-key", headers=jane)).json()["api_key"]
        by_key = {"Authorization": f"Bearer {key}"}
        change = {"current": PASSWORD, "new": "another fine one"}
        assert (await client.post("/api/auth/password", json=change, headers=jane)).status_code == 204
        assert (await client.get("/api/auth/me", headers=by_key)).status_code == 200
        change = {"current": "another fine one", "new": PASSWORD, "revoke_keys": True}
        assert (await client.post("/api/auth/password", json=change, headers=jane)).status_code == 204
        assert code_of(await client.get("/api/auth/me", headers=by_key)) == (401, "invalid_api_key")


async def test_whoever_has_no_login_is_not_told_to_log_in_again(production: Serving) -> None:
    async with visitor(await production()) as client:
        refused = await client.get("/api/admin/audit", headers=OPERATOR)
        assert code_of(refused) == (403, "mfa_required")
        assert "aragora users create" in refused.json()["error"]["message"]
        assert "log in again" not in refused.json()["error"]["message"]
        await made(client, "root", "owner", "admin")
        root = await bearer(client, "root@example.com")
        refused = await client.get("/api/admin/audit", headers=root)
        assert "enrol at /api/auth/mfa/enroll" in refused.json()["error"]["message"]
