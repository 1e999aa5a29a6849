"""Bad input to the routes of webhooks: refused with a code and the mend, never a 5xx, and nothing is stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from standins.names import Names
from worlds.memory_dispatching import MemoryDispatching
from worlds.memory_server import RECEIVER

pytestmark = pytest.mark.slow

Make = Callable[..., Any]
URLS = [
    ("ftp://example.com/", "must begin with https:// or http://"),
    ("hooks.example.com", "must begin with"),
    ("", "must begin with"),
    ("http://ann:pw@example.com/", "user name or a password"),
    ("http://example.com/#top", "fragment"),
    (f"http://example.com/{'x' * 2_048}", "longer than 2,048 characters"),
    ("http://redis/", "full name with a dot"),
    ("http://0x7f000001/", "four decimal numbers"),
    ("http://127.1/", "four decimal numbers"),
    ("http://example.com:6379/", "port"),
    ("http://example.com:25/", "port"),
    ("http://example.com\\@127.0.0.1/", "backslash"),
    ("http://10.0.0.1/", "where webhooks may not go"),
    ("http://169.254.169.254/latest", "where webhooks may not go"),
    ("http://[::ffff:10.0.0.1]/", "where webhooks may not go"),
    ("http://127.0.0.2/", "where webhooks may not go"),
    ("http://own.test/", "where webhooks may not go"),
    ("http://nowhere.example.com/", "the host has no address"),
]
FIELDS = [
    ({"events": []}, "events"),
    ({"events": ["debate_ended"]}, "Is debate_end meant"),
    ({"events": "debate_end"}, "events"),
    ({"events": [7]}, "events.0"),
    ({"events": ["*"] * 51}, "at most 50"),
    ({"secret": "fifteen-charact"}, "secret has 15 characters"),
    ({"secret": "x" * 129}, "secret has 129 characters"),
    ({"secret": "a-control-\u0007-character"}, "control character"),
    ({"secret": "whsec_c2hvcnQta2V5LW9ubHk="}, "24 to 64 bytes"),
    ({"secret": "whsec_not-base64-at-all!!!!"}, "base64"),
    ({"headers": {"X-A": "b\r\nX-Evil: 1"}}, "X-A"),
    ({"headers": {"X-A": "b\u0000"}}, "X-A"),
    ({"headers": {"X-A": 7}}, "headers.X-A"),
    ({"headers": {"Host": "example.com"}}, "Host is set by the sender"),
    ({"headers": {"Content-Type": "text/plain"}}, "Content-Type"),
    ({"headers": {"Transfer-Encoding": "chunked"}}, "Transfer-Encoding"),
    ({"headers": {"X-Webhook-Signature": "sha256=0"}}, "X-Webhook-Signature"),
    ({"headers": {f"X-{number}": "v" for number in range(51)}}, "at most 50 headers"),
    ({"headers": {"X-A": "[set]"}}, "send its value"),
    ({"rate_per_s": 0}, "rate_per_s"),
    ({"rate_per_s": -1}, "rate_per_s"),
    ({"rate_per_s": 1_001}, "rate_per_s"),
    ({"max_in_flight": 0}, "max_in_flight"),
    ({"max_in_flight": 101}, "max_in_flight"),
    ({"give_up_after_s": 1}, "give_up_after_s"),
    ({"schedule": "hasty"}, "schedule"),
    ({"payload": "huge"}, "payload"),
    ({"filter": {"domian": ["law"]}}, "Is domain meant"),
    ({"filter": {"domain": []}}, "domain"),
    ({"filter": {"status": ["cooked"]}}, "status"),
    ({"description": "x" * 501}, "description"),
    ({"colour": "red"}, "colour"),
]


@pytest.mark.parametrize(("url", "told"), URLS)
async def test_a_url_that_no_webhook_may_have(
    *, url: str, told: str, client: httpx2.AsyncClient, create: Make, rows: Make, names: Names
) -> None:
    names.set("example.com", "127.0.0.1")  # what else is wrong with it is what refuses it
    path = f"/api/webhooks/{(await create())['webhook_id']}"
    before = rows("SELECT * FROM webhook_endpoints")

    for refused in (
        await client.post("/api/webhooks", json={"url": url, "events": ["debate_end"]}),
        await client.patch(path, json={"version": 1, "url": url}),
    ):
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid_input")
        assert told in refused.json()["error"]["message"]
        assert "x" * 64 not in refused.text
        assert "pw@" not in refused.text
    assert rows("SELECT * FROM webhook_endpoints") == before


@pytest.mark.parametrize(("fields", "told"), FIELDS, ids=lambda value: str(value)[:40])
async def test_a_field_that_no_webhook_may_have(
    fields: dict[str, Any], told: str, client: httpx2.AsyncClient, create: Make, rows: Make
) -> None:
    path = f"/api/webhooks/{(await create())['webhook_id']}"
    before = rows("SELECT * FROM webhook_endpoints")
    good = {"url": f"{RECEIVER}/2", "events": ["debate_end"]}

    for refused in (
        await client.post("/api/webhooks", json={**good, **fields}),
        await client.patch(path, json={"version": 1, **fields}),
    ):
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid_input")
        assert told in refused.json()["error"]["message"] or "secret" in fields
        for secret in ("fifteen-charact", "c2hvcnQta2V5", "X-Evil"):
            assert secret not in refused.text
    assert rows("SELECT * FROM webhook_endpoints") == before


@pytest.mark.parametrize(
    ("method", "what", "body", "told"),
    [
        ("POST", "/rotate", {"overlap_hours": -1}, "overlap_hours is not from 0 to 168"),
        ("POST", "/rotate", {"overlap_hours": 169}, "overlap_hours"),
        ("POST", "/rotate", {"secret": "short"}, "secret has 5 characters"),
        ("POST", "/rotate", {"overlap": 1}, "overlap"),
        ("POST", "/pause", {"reason": "x" * 201}, "reason"),
        ("POST", "/disable", {"reason": "two\nlines"}, "reason"),
        ("POST", "/test", {"event_type": "debate_ended"}, "Is debate_end meant"),
        ("PATCH", "", {"version": 1}, "nothing to change"),
        ("PATCH", "", {"description": "no version"}, "version"),
        ("PATCH", "", {"version": 1, "url": None}, "url"),
        ("PATCH", "", {"version": 1, "secret": "x" * 20}, "secret"),
        ("GET", "/deliveries?since=200&until=100", None, "until is not after since"),
        ("GET", f"/deliveries?since=100&until={100 + 91 * 86_400}", None, "90 days apart"),
        ("GET", "/deliveries?since=nan", None, "since"),
        ("GET", "/deliveries?until=1e300", None, "until"),
        ("GET", "/deliveries?status=LOST", None, "status"),
        ("GET", "/deliveries?cursor=bogus", None, "cursor"),
        ("GET", "/deliveries?limit=201", None, "limit"),
        ("GET", "/stats?hours=0", None, "hours"),
        ("GET", "/stats?hours=169", None, "hours"),
    ],
)
async def test_a_question_or_command_to_a_webhook_that_makes_no_sense(
    *,
    method: str,
    what: str,
    body: Any,
    told: str,
    client: httpx2.AsyncClient,
    create: Make,
    rows: Make,
    dispatching: MemoryDispatching,
) -> None:
    path = f"/api/webhooks/{(await create())['webhook_id']}"
    before, heard = rows("SELECT * FROM webhook_endpoints"), len(dispatching.told)

    refused = await client.request(method, path + what, json=body)

    assert refused.status_code == 422, refused.text
    assert told in refused.json()["error"]["message"]
    assert (rows("SELECT * FROM webhook_endpoints"), len(dispatching.told)) == (before, heard)


async def test_bodies_that_are_none(client: httpx2.AsyncClient, rows: Make) -> None:
    json_type = {"Content-Type": "application/json"}
    half = b'{"url": "http://127.0.0.1:8081/\\ud800", "events": ["*"], "secret": "s3cr3t-s3cr3t-s3cr3t"}'
    for raw, status in ((b"{", 422), (b"[]", 422), (half, 422), (b'"' + b"x" * 1_000_001 + b'"', 413)):
        refused = await client.post("/api/webhooks", content=raw, headers=json_type)
        assert refused.status_code == status, refused.text
        assert "s3cr3t" not in refused.text
    assert rows("SELECT * FROM webhook_endpoints") == []


@pytest.mark.parametrize(
    "odd",
    ["x", "wh_1", "WH_" + "0" * 32, "wh_" + "g" * 32, "wh_" + "0" * 33, "%00", "%F0%9F%A6%8A", "wh_%0A", "a" * 3_000],
)
async def test_an_id_that_none_has_is_as_unknown_as_any(odd: str, client: httpx2.AsyncClient) -> None:
    for path in (f"{odd}", f"{odd}/stats", f"{odd}/deliveries", f"deliveries/{odd}", f"dead-letters/{odd}"):
        unknown = await client.get(f"/api/webhooks/{path}")
        assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "not_found"), path
        assert len(unknown.json()["error"]["message"]) < 200
