"""After a full run with the logs at their loudest, secrets of webhooks were in the answers that make them only."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
import trustme
from structlog.testing import capture_logs
from worlds.client_certificates import given, issued, with_password
from worlds.memory_dispatching import MemoryDispatching
from worlds.memory_server import RECEIVER, Served
from worlds.webhook_deliveries import delivery

from aragora.errors import Unavailable
from aragora.observability.registry import REGISTRY
from aragora.server.webhooks import WebhookServices
from aragora.webhooks.signing import new_private_key

pytestmark = pytest.mark.slow

Make = Callable[..., Any]
URL_TOKEN = "token-that-is-in-the-url"
HEADER = "Bearer token-that-is-in-a-header"
CHOSEN = "a-secret-that-somebody-chose"
PRIVATE = new_private_key(bytes(range(32)))
REFUSED = "refused-secret-\u0007-of-a-person"
BROKEN = "whsec_is-not-the-base64-of-any-key"
CA = trustme.CA()
CERTIFICATE, FOREIGN, EXPIRED = issued(CA), issued(CA, name="b.example.com"), issued(CA, days=-1.0, from_days=-9.0)
HTTPS = f"{RECEIVER.replace('http:', 'https:')}?token={URL_TOKEN}"


async def test_no_secret_leaves_but_in_its_own_answer(
    *,
    client: httpx2.AsyncClient,
    server: Served,
    create: Make,
    enqueue: Make,
    services: WebhookServices,
    dispatching: MemoryDispatching,
    files: Callable[[], bytes],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    REGISTRY.drain()
    urls = [f"{RECEIVER}/{number}?token={URL_TOKEN}" for number in range(3)]
    made = [await create(url=urls[0], headers={"X-Token": HEADER})]
    made.append(await create(url=urls[1], secret=CHOSEN))
    path = f"/api/webhooks/{made[0]['webhook_id']}"
    made.append((await client.post(f"{path}/rotate")).json())
    secrets = {one[name] for one in made for name in ("secret", "standard_secret")} | {PRIVATE}
    assert CHOSEN in secrets
    # A key has no answer of its own, and a certificate none that holds it.
    keyed = [(await client.post(f"{path}/rotate", json={"secret": PRIVATE})).json()]
    keyed.append(await create(url=HTTPS, signature="ed25519", client_certificate=given(CERTIFICATE), verify=True))
    stored = await services.registering.store.get("local", keyed[1]["webhook_id"])
    secrets.add(stored.secret)
    key_path = f"/api/webhooks/{stored.endpoint_id}"
    its = {"webhook_id": made[0]["webhook_id"], "target_id": made[0]["webhook_id"]}
    await enqueue(delivery(1, **its), died=1_800_000_001.0)
    asked: list[tuple[str, str, Any]] = [
        ("POST", "/api/webhooks", {"url": urls[2], "events": ["nothing"], "secret": CHOSEN}),
        ("POST", "/api/webhooks", {"url": urls[2], "events": ["*"], "secret": REFUSED}),
        ("POST", "/api/webhooks", {"url": urls[2], "events": ["*"], "secret": BROKEN}),
        ("POST", "/api/webhooks", {"url": urls[0], "events": ["debate_end"], "secret": CHOSEN}),
        ("POST", "/api/webhooks", {"url": f"http://10.0.0.1/?token={URL_TOKEN}", "events": ["*"]}),
        ("POST", "/api/webhooks", {"url": urls[2], "events": ["*"], "headers": {"X-A": f"{HEADER}\r\n"}}),
        ("POST", "/api/webhooks", {"url": urls[2], "events": ["*"], "headers": {"X-A": [HEADER]}}),
        ("POST", f"{path}/rotate", {"secret": PRIVATE}),
        ("POST", f"{path}/rotate", {"secret": [CHOSEN]}),
        ("PATCH", path, {"version": 1, "url": urls[1], "headers": {"X-B": HEADER}}),
        ("PATCH", path, {"version": 3, "headers": {"X-B": HEADER}}),
        ("POST", "/api/webhooks", {"url": HTTPS, "events": ["*"], "signature": "hmac", "secret": PRIVATE}),
        ("POST", "/api/webhooks", {"url": HTTPS, "events": ["*"], "client_certificate": given(EXPIRED)}),
        *(
            ("PATCH", key_path, {"version": 1, "client_certificate": {**given(CERTIFICATE), "private_key": wrong}})
            for wrong in (FOREIGN.private_key, with_password(CERTIFICATE.private_key), [CERTIFICATE.private_key])
        ),
        ("PATCH", key_path, {"version": 1, "client_certificate": {**given(CERTIFICATE), "more": 1}}),
        ("PATCH", key_path, {"version": 1, "client_certificate": given(FOREIGN)}),
        ("POST", f"{key_path}/verify", None), ("POST", f"{key_path}/rotate", {}), ("GET", key_path, None),
        ("POST", f"{key_path}/rotate/finish", None),
        ("POST", f"{path}/test", None), ("POST", f"{path}/pause", None), ("GET", f"{path}/stats", None),
        ("GET", f"{path}/deliveries", None), ("GET", f"/api/webhooks/deliveries/{delivery(1).delivery_id}", None),
        ("GET", "/api/webhooks/dead-letters", None), ("POST", "/api/webhooks/dead-letters/retry", None),
    ]  # fmt: skip

    with capture_logs() as lines:
        answers = [await client.request(method, url, json=body) for method, url, body in asked]
        dispatching.failure = Unavailable("away")
        answers += [await client.post(f"{path}/test"), await client.post(f"{path}/rotate/finish")]
        answers += [await client.get("/api/webhooks"), await client.get(path), await client.delete(path)]
    told = (await client.get("/api/admin/audit")).text + (await client.get("/api/system/errors")).text
    told += caplog.text + repr(lines) + repr(REGISTRY.drain()) + repr(server) + repr(services)

    assert "the dispatcher of webhooks does not answer" in told
    assert sum(answer.is_error for answer in answers) == 17
    everything = told + "".join(answer.text for answer in answers) + "".join(map(str, keyed))
    for pem in (CERTIFICATE, FOREIGN, EXPIRED):
        assert "-----BEGIN" not in everything
        for line in f"{pem.private_key}{pem.certificate}".splitlines():
            assert line.startswith("-----") or len(line) < 30 or line not in everything
    kept = files()
    assert stored.endpoint_id.encode() in kept
    for secret in (*secrets, HEADER, URL_TOKEN, "PRIVATE KEY", *FOREIGN.private_key.splitlines()[1:3]):
        assert secret.encode() not in kept, secret
    for secret in (*secrets, HEADER, "refused-secret-", BROKEN):
        assert secret not in everything, secret
    # A URL is shown to those who manage the webhook, in good answers only.
    assert URL_TOKEN not in told + "".join(answer.text for answer in answers if answer.is_error)
