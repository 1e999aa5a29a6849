"""Credentials over HTTP: who may change them, and what a leaked key, a foreign service or a stolen session cannot."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import httpx2
import pyotp
import pytest
from pydantic import SecretStr
from worlds.memory_server import Boards, Served, World, served
from worlds.migrated import migrated

from aragora.config.settings import Settings

pytestmark = pytest.mark.slow

WHO: Final = {"email": "jane@example.com", "password": "correct horse battery"}
SERVICE: Final = "service-token-of-the-test-0123456789"
OPERATOR: Final = "operator-token-of-the-test-0123456789"
STRANGER: Final = "203.0.113.9"

CHANGES: Final[tuple[tuple[str, str, Any], ...]] = (
    ("POST", "/api/auth/api-key", {"name": "minted"}),
    ("GET", "/api/auth/api-key", None),
    ("DELETE", "/api/auth/api-key", None),
    ("POST", "/api/auth/mfa/enroll", None),
    ("POST", "/api/auth/mfa/verify", {"code": "123456"}),
    ("POST", "/api/auth/mfa/disable", None),
    ("POST", "/api/auth/mfa/backup-codes", None),
    ("POST", "/api/auth/password", {"current": WHO["password"], "new": "another fine one"}),
    ("POST", "/api/auth/logout", {"everywhere": True}),
)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Served]:
    settings = Settings(
        data_dir=tmp_path,
        encryption_key=SecretStr(secrets.token_hex(32)),
        jwt_secret=SecretStr(secrets.token_hex(32)),
        service_token=SecretStr(SERVICE),
        api_token=SecretStr(OPERATOR),
    )
    migrated(settings)
    made = served(settings, World(), Boards())
    yield made
    await made.aclose()


@pytest.fixture
async def client(server: Served) -> AsyncIterator[httpx2.AsyncClient]:
    async with server.client(STRANGER, "localhost") as opened:
        await opened.post("/api/auth/register", json=WHO)
        yield opened


async def logged_in(client: httpx2.AsyncClient) -> dict[str, str]:
    tokens = (await client.post("/api/auth/login", json=WHO)).json()
    return {"Authorization": f"Bearer {tokens['access_token']}"}


def code_of(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


async def test_a_leaked_key_changes_no_credential(client: httpx2.AsyncClient) -> None:
    person = await logged_in(client)
    made = await client.post("/api/auth/api-key", json={"expires_in_days": 1}, headers=person)
    key = {"Authorization": f"Bearer {made.json()['api_key']}"}
    for method, path, body in CHANGES:
        answer = await client.request(method, path, json=body, headers=key)
        assert code_of(answer) == (403, "login_required"), path
    assert (await client.get("/api/auth/me", headers=person)).status_code == 200
    assert (await client.get("/api/debates", headers=key)).status_code == 200


@pytest.mark.parametrize("roles", ["member", ""])
async def test_a_service_changes_no_credential_of_whom_it_names(roles: str, client: httpx2.AsyncClient) -> None:
    user_id = (await client.get("/api/auth/me", headers=await logged_in(client))).json()["user_id"]
    named = {"X-User-ID": user_id, "X-Org-ID": "org_1", "X-User-Roles": roles, "Authorization": f"Bearer {SERVICE}"}
    for method, path, body in CHANGES:
        answer = await client.request(method, path, json=body, headers=named)
        assert code_of(answer) == (403, "login_required"), path


async def test_the_operators_token_is_nobodys_login(client: httpx2.AsyncClient) -> None:
    operator = {"Authorization": f"Bearer {OPERATOR}"}
    for method, path, body in CHANGES:
        answer = await client.request(method, path, json=body, headers=operator)
        assert code_of(answer) == (403, "login_required"), path


async def test_who_acts_as_a_user_touches_none_of_its_credentials(client: httpx2.AsyncClient) -> None:
    user_id = (await client.get("/api/auth/me", headers=await logged_in(client))).json()["user_id"]
    acting = await client.post(
        f"/api/admin/users/{user_id}/impersonate",
        json={"reason": "support case 7"},
        headers={"Authorization": f"Bearer {OPERATOR}"},
    )
    bearer = {"Authorization": f"Bearer {acting.json()['access_token']}"}
    for method, path, body in CHANGES[:-1]:
        answer = await client.request(method, path, json=body, headers=bearer)
        assert code_of(answer) == (403, "forbidden"), path
    confirmed = await client.post("/api/auth/confirm", json={"password": WHO["password"]}, headers=bearer)
    assert code_of(confirmed) == (403, "forbidden")


async def test_a_key_has_its_scopes_and_never_more_than_its_owner(client: httpx2.AsyncClient) -> None:
    person = await logged_in(client)
    made = await client.post("/api/auth/api-key", json={"name": "ci", "scopes": ["read"]}, headers=person)
    assert (made.status_code, made.json()["scopes"]) == (201, ["read"])
    key = {"Authorization": f"Bearer {made.json()['api_key']}"}
    rights = (await client.get("/api/auth/me", headers=key)).json()["permissions"]
    assert rights == ["debates.read", "knowledge.read", "tasks.read", "workflows.read"]
    refused = await client.post("/api/debates", json={"question": "Tea?"}, headers=key)
    assert code_of(refused) == (403, "forbidden")
    for scopes in (["system.admin"], ["users.manage"], ["everything"], []):
        answer = await client.post("/api/auth/api-key", json={"scopes": scopes}, headers=person)
        assert code_of(answer) == (422, "invalid_input"), scopes


async def test_by_default_a_key_works_and_does_not_administer_and_ends(client: httpx2.AsyncClient) -> None:
    person = await logged_in(client)
    made = (await client.post("/api/auth/api-key", headers=person)).json()
    assert made["expires_at"] - made["created_at"] == 90 * 86400
    key = {"Authorization": f"Bearer {made['api_key']}"}
    rights = set((await client.get("/api/auth/me", headers=key)).json()["permissions"])
    assert {"debates.create", "integrations.manage"} <= rights
    assert not {"users.manage", "system.admin"} & rights
    for days in (None, 366):
        refused = await client.post("/api/auth/api-key", json={"expires_in_days": days}, headers=person)
        assert code_of(refused) == (422, "invalid_input"), days
    listed = (await client.get("/api/auth/api-key", headers=person)).json()["keys"]
    assert [(one["key_id"], one["scopes"], one["expires_at"]) for one in listed] == [
        (made["key_id"], ["standard"], made["expires_at"])
    ]
    assert listed[0]["last_used_at"] is not None
    assert made["api_key"] not in str(listed)


async def test_backup_codes_are_renewed_and_a_factor_is_given_up_in_a_confirmed_session(
    client: httpx2.AsyncClient,
) -> None:
    person = await logged_in(client)
    offered = (await client.post("/api/auth/mfa/enroll", headers=person)).json()
    code = {"code": pyotp.TOTP(offered["secret"]).now()}
    first = (await client.post("/api/auth/mfa/verify", json=code, headers=person)).json()["backup_codes"]
    second = (await client.post("/api/auth/mfa/backup-codes", headers=person)).json()["backup_codes"]
    assert len(second) == 10
    challenge = (await client.post("/api/auth/login", json=WHO)).json()["challenge"]
    old = await client.post("/api/auth/login", json={"challenge": challenge, "code": first[0]})
    assert code_of(old) == (401, "invalid_code")
    new = await client.post("/api/auth/login", json={"challenge": challenge, "code": second[0]})
    assert new.status_code == 200
    assert (await client.post("/api/auth/mfa/disable", headers=person)).status_code == 204
    assert "access_token" in (await client.post("/api/auth/login", json=WHO)).json()
    assert code_of(await client.post("/api/auth/mfa/disable", headers=person)) == (409, "conflict")
