"""What an endpoint may ask for when it is registered: a client certificate, an Ed25519 key, a challenge first."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx2
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from worlds.client_certificates import NAME, given, issued, with_password
from worlds.memory_dispatching import MemoryDispatching
from worlds.memory_server import RECEIVER
from worlds.webhook_deliveries import answered, failed

from aragora.errors import Conflict, Unavailable
from aragora.server.webhooks import WebhookServices
from aragora.webhooks.model import Failure
from aragora.webhooks.signing import is_private_key, new_private_key, new_secret, public_key

pytestmark = pytest.mark.slow

Make = Callable[..., Any]
CA = trustme.CA()
GOOD = issued(CA)
OTHER = issued(CA, name="other.example.com")
EXPIRED = issued(CA, days=-1.0, from_days=-60.0)
SOON = issued(CA, days=10.0)
HTTPS = RECEIVER.replace("http:", "https:")
PRIVATE = new_private_key(bytes(range(32)))
SHARED = new_secret(bytes(range(32)))
UNKNOWN = f"wh_{1:032x}"

# --- A client certificate


async def test_a_client_certificate_is_shown_by_its_facts_and_its_key_never(
    client: httpx2.AsyncClient, create: Make, services: WebhookServices, files: Make
) -> None:
    made = await create(url=HTTPS, client_certificate=given(GOOD))
    path = f"/api/webhooks/{made['webhook_id']}"
    shown = await client.get(path)
    listed = await client.get("/api/webhooks")
    kept = await services.registering.store.get("local", made["webhook_id"])

    leaf = x509.load_pem_x509_certificate(GOOD.certificate.encode())
    facts = made["client_certificate"]
    assert NAME in facts["subject"]
    assert facts["fingerprint"] == leaf.fingerprint(hashes.SHA256()).hex()
    assert facts["not_after"] == leaf.not_valid_after_utc.timestamp()
    assert facts["expires_soon"] is False
    assert shown.json()["client_certificate"] == facts == listed.json()["webhooks"][0]["client_certificate"]
    assert kept.certificate == GOOD
    for text in (shown.text, listed.text, str(made), files().decode("latin-1")):
        assert "BEGIN" not in text
        assert GOOD.private_key.splitlines()[1] not in text


async def test_a_client_certificate_is_changed_and_taken_away(
    client: httpx2.AsyncClient, create: Make, services: WebhookServices, dispatching: MemoryDispatching
) -> None:
    made = await create(url=HTTPS)
    assert made["client_certificate"] is None
    path = f"/api/webhooks/{made['webhook_id']}"
    for version, wanted in enumerate((GOOD, SOON), 1):
        changed = await client.patch(path, json={"version": version, "client_certificate": given(wanted)})
        assert changed.status_code == 200, changed.text
    assert changed.json()["client_certificate"]["expires_soon"] is True
    assert (await services.registering.store.get("local", made["webhook_id"])).certificate == SOON

    other = await client.patch(path, json={"version": 3, "description": "it stays"})
    assert other.json()["client_certificate"] == changed.json()["client_certificate"]
    plain = await client.patch(path, json={"version": 4, "client_certificate": None})
    assert plain.json()["client_certificate"] is None
    assert (await services.registering.store.get("local", made["webhook_id"])).certificate is None
    assert dispatching.told.count(("changed", made["webhook_id"])) == 5


async def test_one_that_has_expired_since_keeps_nobody_from_changing_the_description(
    client: httpx2.AsyncClient, create: Make, services: WebhookServices
) -> None:
    made = await create(url=HTTPS, client_certificate=given(GOOD))
    store = services.registering.store
    await store.change("local", made["webhook_id"], lambda it: replace(it, certificate=EXPIRED))
    path = f"/api/webhooks/{made['webhook_id']}"
    changed = await client.patch(path, json={"version": 2, "description": "mine"})
    assert changed.status_code == 200
    assert changed.json()["client_certificate"]["expires_soon"] is True
    again = await client.patch(path, json={"version": 3, "client_certificate": given(EXPIRED)})
    assert again.status_code == 422


CERTIFICATES: list[tuple[Any, str]] = [
    ({"certificate": GOOD.certificate}, "private_key"),
    ({"private_key": GOOD.private_key}, "certificate"),
    ({**given(GOOD), "password": "pw"}, "password"),
    ({"certificate": 7, "private_key": 8}, "certificate"),
    ("text", "client_certificate"),
    ([], "client_certificate"),
    ({"certificate": "", "private_key": ""}, "certificate cannot be read"),
    ({"certificate": "\u0000", "private_key": "\u0000"}, "certificate cannot be read"),
    ({"certificate": GOOD.certificate, "private_key": OTHER.private_key}, "is not the key of this certificate"),
    ({"certificate": GOOD.certificate, "private_key": with_password(GOOD.private_key)}, "has a password"),
    ({"certificate": GOOD.certificate + GOOD.private_key, "private_key": GOOD.private_key}, "holds a private key"),
    ({"certificate": "x" * 32_769, "private_key": GOOD.private_key}, "over 32,768 characters"),
    ({"certificate": GOOD.certificate, "private_key": "x" * 16_385}, "over 16,384 characters"),
    (given(EXPIRED), "has expired"),
]


@pytest.mark.parametrize(("wanted", "told"), CERTIFICATES, ids=lambda value: str(value)[:40])
async def test_a_client_certificate_that_cannot_be_used_is_refused_with_its_mend_and_not_repeated(
    wanted: Any, told: str, client: httpx2.AsyncClient, create: Make, rows: Make
) -> None:
    path = f"/api/webhooks/{(await create(url=HTTPS))['webhook_id']}"
    before = rows("SELECT * FROM webhook_endpoints")
    for refused in (
        await client.post("/api/webhooks", json={"url": f"{HTTPS}/2", "events": ["*"], "client_certificate": wanted}),
        await client.patch(path, json={"version": 1, "client_certificate": wanted}),
    ):
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid_input")
        assert told in refused.json()["error"]["message"]
        assert not re.search(r"[A-Za-z0-9+/]{60}|BEGIN [A-Z ]*PRIVATE KEY-----\\n", refused.text)
    assert rows("SELECT * FROM webhook_endpoints") == before


async def test_a_client_certificate_needs_https(client: httpx2.AsyncClient, create: Make) -> None:
    wanted = {"url": RECEIVER, "events": ["*"], "client_certificate": given(GOOD)}
    path = f"/api/webhooks/{(await create(url=HTTPS, client_certificate=given(GOOD)))['webhook_id']}"
    for refused in (
        await client.post("/api/webhooks", json=wanted),
        await client.patch(path, json={"version": 1, "url": f"{RECEIVER}/plain"}),
    ):
        assert refused.status_code == 422
        assert "https:// URL only" in refused.json()["error"]["message"]
    both = {"version": 1, "url": f"{RECEIVER}/plain", "client_certificate": None}
    assert (await client.patch(path, json=both)).status_code == 200


# --- An Ed25519 key


async def test_a_key_is_made_here_and_only_its_public_half_is_ever_shown(
    client: httpx2.AsyncClient, create: Make, services: WebhookServices, files: Make
) -> None:
    made = await create(signature="ed25519")
    path = f"/api/webhooks/{made['webhook_id']}"
    shown = (await client.get(path)).json()
    kept = await services.registering.store.get("local", made["webhook_id"])

    assert (made["secret"], made["standard_secret"], made["signature"]) == (None, None, "ed25519")
    assert re.fullmatch(r"whpk_[A-Za-z0-9+/]{43}=", made["public_key"])
    assert is_private_key(kept.secret)
    assert public_key(kept.secret) == made["public_key"] == shown["public_key"]
    seed = base64.b64decode(kept.secret.removeprefix("whsk_"))[:32]
    told = f"{made}{shown}"
    assert "whsk_" not in told
    assert base64.b64encode(seed).decode()[:40] not in told
    assert kept.secret.encode() not in files()


async def test_a_rotation_makes_a_key_of_the_same_kind_and_both_sign_for_the_overlap(
    client: httpx2.AsyncClient, create: Make, services: WebhookServices
) -> None:
    made = await create(signature="ed25519")
    path = f"/api/webhooks/{made['webhook_id']}"
    rotated = (await client.post(f"{path}/rotate", json={"overlap_hours": 2})).json()
    kept = await services.registering.store.get("local", made["webhook_id"])

    assert (rotated["signature"], rotated["secret"]) == ("ed25519", None)
    assert rotated["public_key"] == public_key(kept.secret) != made["public_key"]
    assert [public_key(one.secret) for one in kept.old_secrets] == [made["public_key"]]
    assert len(rotated["old_secrets_end_at"]) == 1


async def test_one_kind_takes_the_place_of_the_other(
    client: httpx2.AsyncClient, create: Make, services: WebhookServices
) -> None:
    made = await create()
    assert (made["signature"], made["public_key"]) == ("hmac", None)
    path = f"/api/webhooks/{made['webhook_id']}/rotate"
    key = (await client.post(path, json={"signature": "ed25519"})).json()
    assert (key["signature"], key["secret"]) == ("ed25519", None)
    shared = (await client.post(path, json={"signature": "hmac"})).json()
    assert (shared["signature"], shared["public_key"]) == ("hmac", None)
    assert shared["secret"].startswith("whsec_")
    mine = (await client.post(path, json={"secret": PRIVATE})).json()
    assert (mine["signature"], mine["secret"], mine["public_key"]) == ("ed25519", None, public_key(PRIVATE))
    kept = await services.registering.store.get("local", made["webhook_id"])
    assert [is_private_key(one.secret) for one in kept.old_secrets] == [False, True, False]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"signature": "rsa"}, "signature"),
        ({"signature": "hmac", "secret": PRIVATE}, "none for the signature hmac"),
        ({"signature": "ed25519", "secret": SHARED}, "none for the signature ed25519"),
        ({"signature": "ed25519", "secret": public_key(PRIVATE)}, "public key"),
        ({"secret": PRIVATE[:-8]}, "whsk_"),
        ({"secret": f"whsk_{base64.b64encode(bytes(64)).decode()}"}, "do not belong together"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_key_and_a_kind_that_do_not_fit_are_refused(
    fields: dict[str, Any], told: str, client: httpx2.AsyncClient, create: Make, rows: Make
) -> None:
    path = f"/api/webhooks/{(await create())['webhook_id']}/rotate"
    before = rows("SELECT * FROM webhook_endpoints")
    wanted = {"url": f"{RECEIVER}/2", "events": ["*"]}
    for refused in (
        await client.post("/api/webhooks", json={**wanted, **fields}),
        await client.post(path, json=fields),
    ):
        assert refused.status_code == 422, refused.text
        assert told in refused.json()["error"]["message"]
        assert PRIVATE.removeprefix("whsk_")[:40] not in refused.text
        assert SHARED.removeprefix("whsec_") not in refused.text
    assert rows("SELECT * FROM webhook_endpoints") == before


# --- A challenge first


async def test_an_endpoint_that_asks_for_it_waits_until_its_receiver_has_answered(
    client: httpx2.AsyncClient, create: Make, dispatching: MemoryDispatching
) -> None:
    made = await create(verify=True)
    path = f"/api/webhooks/{made['webhook_id']}"
    assert (made["status"], made["verify"], made["verified_at"]) == ("unverified", True, None)
    assert "challenge" in made["reason"]
    assert dispatching.challenges == []  # the receiver could not have checked it: its secret is in this answer
    (waiting,) = (await client.get("/api/webhooks?status=unverified")).json()["webhooks"]
    assert waiting["webhook_id"] == made["webhook_id"]

    done = await client.post(f"{path}/verify")

    now = (await client.get(path)).json()
    assert (done.json()["verified"], done.json()["webhook_status"], done.json()["error"]) == (True, "enabled", None)
    assert (now["status"], now["reason"], now["version"]) == ("enabled", "", 2)
    assert abs(now["verified_at"] - time.time()) < 60
    assert dispatching.told[-2:] == [("verify 1", made["webhook_id"]), ("changed", made["webhook_id"])]
    (challenge,) = dispatching.challenges
    assert len(challenge) == 43

    again = (await client.post(f"{path}/verify")).json()
    assert (again["verified"], again["status"], again["message"]) == (True, None, "it is verified already")
    assert len(dispatching.challenges) == 1


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (
            replace(answered(200), told="answered 200 (OK)", text="ok"),
            "without the challenge: send data.challenge back",
        ),
        (answered(403), "answered 403"),
        (failed(Failure.CONNECT), "no answer (connect)"),
        (failed(Failure.BLOCKED), "no answer (blocked)"),
    ],
)
async def test_what_does_not_answer_it_is_told_and_the_next_challenge_is_another(
    answer: Any, told: str, client: httpx2.AsyncClient, create: Make, dispatching: MemoryDispatching
) -> None:
    path = f"/api/webhooks/{(await create(verify=True))['webhook_id']}"
    dispatching.echoes, dispatching.answer = False, answer
    for _ in range(2):
        refused = await client.post(f"{path}/verify")
        assert (refused.status_code, refused.json()["verified"]) == (200, False)
        assert told in refused.json()["message"]
        assert (refused.json()["webhook_status"], refused.json()["error"]) == ("unverified", answer.failure)
    assert len(set(dispatching.challenges)) == 2
    assert (await client.get(path)).json()["status"] == "unverified"


async def test_an_unverified_endpoint_is_neither_enabled_nor_paused_but_disabled(
    client: httpx2.AsyncClient, create: Make, rows: Make
) -> None:
    path = f"/api/webhooks/{(await create(verify=True))['webhook_id']}"
    for what in ("enable", "pause"):
        refused = await client.post(f"{path}/{what}")
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "webhook_unverified")
        assert "POST .../verify" in refused.json()["error"]["message"]
    assert (await client.post(f"{path}/disable")).json()["status"] == "disabled"
    assert (await client.post(f"{path}/enable")).status_code == 409

    done = (await client.post(f"{path}/verify")).json()
    assert (done["verified"], done["webhook_status"]) == (True, "disabled")  # a person stopped it
    assert (await client.post(f"{path}/enable")).json()["status"] == "enabled"
    entries = (await client.get("/api/admin/audit")).json()["entries"]
    told = [(one["action"], one["outcome"]) for one in reversed(entries)]
    assert told == [
        ("webhook.create", "success"),
        ("webhook.disable", "success"),
        ("webhook.verify", "success"),
        ("webhook.enable", "success"),
    ]


async def test_another_url_is_to_be_verified_anew_and_nothing_else_is(client: httpx2.AsyncClient, create: Make) -> None:
    path = f"/api/webhooks/{(await create(verify=True))['webhook_id']}"
    await client.post(f"{path}/verify")
    for version, changes, status in (
        (2, {"description": "d", "url": RECEIVER}, "enabled"),
        (3, {"events": ["*"]}, "enabled"),
        (4, {"url": f"{RECEIVER}/moved"}, "unverified"),
        (5, {"verify": False}, "enabled"),
        (6, {"verify": True}, "unverified"),
    ):
        changed = await client.patch(path, json={"version": version, **changes})
        assert (changed.status_code, changed.json()["status"]) == (200, status), changes
        assert (changed.json()["verified_at"] is None) is (version >= 4)
    await client.post(f"{path}/rotate")
    assert (await client.post(f"{path}/verify")).json()["verified"] is True


async def test_without_asking_for_it_there_is_nothing_to_verify(
    client: httpx2.AsyncClient, create: Make, dispatching: MemoryDispatching
) -> None:
    made = await create()
    told = (await client.post(f"/api/webhooks/{made['webhook_id']}/verify")).json()
    assert (made["verify"], told["verified"], told["message"]) == (False, True, "it asks for no verification")
    assert dispatching.challenges == []


async def test_an_answer_of_a_webhook_that_was_changed_meanwhile_verifies_nothing(
    client: httpx2.AsyncClient, create: Make, dispatching: MemoryDispatching, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/api/webhooks/{(await create(verify=True))['webhook_id']}"
    send = dispatching.verify

    async def overtaken(endpoint_id: str, challenge: str, version: int) -> Any:
        moved = await client.patch(path, json={"version": 1, "url": f"{RECEIVER}/of-another"})
        assert moved.status_code == 200
        return await send(endpoint_id, challenge, version)

    monkeypatch.setattr(dispatching, "verify", overtaken)
    refused = await client.post(f"{path}/verify")

    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "version_conflict")
    assert (await client.get(path)).json()["status"] == "unverified"


async def test_five_challenges_a_minute_go_to_one_webhook(
    client: httpx2.AsyncClient, create: Make, dispatching: MemoryDispatching
) -> None:
    first, second = [(await create(url=f"{RECEIVER}/{n}", verify=True))["webhook_id"] for n in range(2)]
    dispatching.echoes = False
    told = [(await client.post(f"/api/webhooks/{first}/verify")).status_code for _ in range(7)]
    assert told == [200] * 5 + [429] * 2
    assert (await client.post(f"/api/webhooks/{second}/verify")).status_code == 200
    limits = (await client.get("/api/system/rate-limits")).json()["rate_limits"]
    assert {"name": "webhook_verify", "limit": "5/minute", "refused": 2} in limits


@pytest.mark.parametrize(
    ("failure", "status"), [(Unavailable("away"), 503), (Conflict("changed", code="version_conflict"), 409)]
)
async def test_a_dispatcher_that_is_away_verifies_nothing(
    failure: Exception, status: int, client: httpx2.AsyncClient, create: Make, dispatching: MemoryDispatching
) -> None:
    path = f"/api/webhooks/{(await create(verify=True))['webhook_id']}"
    dispatching.failure = failure
    assert (await client.post(f"{path}/verify")).status_code == status
    assert (await client.get(path)).json()["status"] == "unverified"


async def test_another_organisations_webhook_is_as_unknown_as_any(
    client: httpx2.AsyncClient, create: Make, dispatching: MemoryDispatching
) -> None:
    path = f"/api/webhooks/{(await create(verify=True))['webhook_id']}"
    other = {"X-User-ID": "eve", "X-Org-ID": "org_2", "X-User-Roles": "owner"}
    told = []
    for where in (path, f"/api/webhooks/{UNKNOWN}"):
        for method, what, body in (
            ("POST", "/verify", None),
            ("PATCH", "", {"version": 1, "verify": False}),
            ("PATCH", "", {"version": 1, "client_certificate": None}),
            ("POST", "/rotate", {"signature": "ed25519"}),
        ):
            refused = await client.request(method, where + what, json=body, headers=other)
            told.append((refused.status_code, refused.json()["error"]["message"].partition(" wh_")[0]))
    assert set(told) == {(404, "there is no webhook")}
    assert dispatching.challenges == []
    assert (await client.get(path)).json()["version"] == 1
