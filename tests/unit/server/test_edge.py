"""What surrounds the routes: request ids, limits, hosts, origins, headers, errors, HEAD, timing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs
from worlds.waiting import WAIT_S

from aragora.errors import Unavailable
from aragora.identity.principal import LOCAL_OPERATOR
from aragora.observability.line_budget import BURST, PER_S
from aragora.server.authentication import CallerFacts
from aragora.server.middleware.probes import PROBES


async def test_a_sound_request_id_comes_back_and_an_unsound_one_is_replaced(client: Any) -> None:
    kept = await client.get("/api/health", headers={"X-Request-ID": "abc-1.2_3"})
    assert kept.headers["x-request-id"] == "abc-1.2_3"
    for odd in ("a b", "x" * 129, "a\tb", "é".encode()):
        answer = await client.get("/api/health", headers={"X-Request-ID": odd})
        assert answer.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/api/debates/", 404, "not_found"),
        ("DELETE", "/api/health", 405, "method_not_allowed"),
        ("GET", "/assets/../app.py", 404, "not_found"),
        ("GET", "/assets/page.py", 404, "not_found"),
    ],
)
async def test_every_failure_has_the_one_body(client: Any, method: str, path: str, status: int, code: str) -> None:
    answer = await client.request(method, path)
    assert answer.status_code == status
    assert answer.json()["error"]["code"] == code
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


async def test_a_declared_or_chunked_body_over_the_limit_is_refused(serve: Any) -> None:
    client = serve(max_body_bytes=100).client()

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 10

    headers = {"Content-Type": "application/json"}
    declared = await client.post("/api/debates", content=b" " * 101, headers=headers)
    chunked = await client.post("/api/debates", content=chunks(), headers=headers)
    for answer in (declared, chunked):
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8080", "localhost.evil.example", ""])
async def test_in_development_foreign_hosts_are_misdirected(serve: Any, host: str) -> None:
    client = serve().client()
    answer = await client.get("/api/health", headers={"Host": host})
    assert (answer.status_code, answer.json()["error"]["code"]) == (421, "host_not_allowed")


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1", "[::1]:8080", "api.localhost", "named.example"])
async def test_in_development_loopback_and_named_hosts_are_answered(serve: Any, host: str) -> None:
    client = serve(allowed_hosts=("named.example",)).client()
    assert (await client.get("/api/health", headers={"Host": host})).status_code == 200


async def test_another_origin_may_not_act_for_the_local_operator(client: Any, world: Any) -> None:
    world.add()
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = await client.post("/api/debates/deb_1/cancel", headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "origin_not_allowed")
    own = await client.post("/api/debates/deb_1/cancel", headers={"Origin": "http://127.0.0.1:8080"})
    assert own.status_code == 200


async def test_only_named_origins_get_cors_answers(serve: Any) -> None:
    client = serve(allowed_origins=("https://app.example",)).client()
    ask = {"Access-Control-Request-Method": "POST"}
    named = await client.options("/api/debates", headers={"Origin": "https://app.example", **ask})
    assert named.headers["access-control-allow-origin"] == "https://app.example"
    other = await client.options("/api/debates", headers={"Origin": "https://evil.example", **ask})
    assert other.status_code == 403
    assert "access-control-allow-origin" not in other.headers
    read = await client.get("/api/health", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in read.headers


async def test_responses_tell_browsers_to_trust_nothing(serve: Any) -> None:
    answer = await serve().client().get("/api/health")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert answer.headers["cache-control"] == "no-store"
    assert "strict-transport-security" not in answer.headers
    production = await serve(environment="production").client().get("/api/health")
    assert "strict-transport-security" in production.headers


async def test_head_answers_like_get_without_a_body(client: Any) -> None:
    answer = await client.head("/api/health")
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) > 0


async def test_head_of_a_stream_is_answered_and_over(client: Any, world: Any) -> None:
    world.add()
    async with asyncio.timeout(WAIT_S):
        answer = await client.head("/api/debates/deb_1/events", headers={"Accept": "text/event-stream"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"].startswith("text/event-stream")


async def test_what_a_head_request_asked_and_who_asked_is_noted_as_of_get(serve: Any, world: Any) -> None:
    client = serve(observer=lambda *_: None).client()
    world.failure = Unavailable("the database is away")
    with capture_logs() as lines:
        await client.head("/api/debates")
    (line,) = [line for line in lines if line["event"] == "HEAD /api/debates 503"]
    assert line["user"]
    (note,) = (await client.get("/api/system/errors")).json()["errors"]
    assert (note["method"], note["path"], note["status"]) == ("HEAD", "/api/debates", 503)


async def test_a_client_that_leaves_before_its_answer_is_no_failure_of_the_server(serve: Any, world: Any) -> None:
    heard: list[tuple[str, str, int]] = []
    asked = asyncio.Event()

    async def never(*_: Any) -> Any:
        asked.set()
        await asyncio.Event().wait()

    world.get = never
    client = serve(observer=lambda method, route, status, _s: heard.append((method, route, status))).client()
    with capture_logs() as lines:
        leaving = asyncio.create_task(client.get("/api/debates/deb_1"))
        await asyncio.wait_for(asked.wait(), WAIT_S)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
    assert heard == [("GET", "/api/debates/{debate_id}", 499)]
    assert [line["log_level"] for line in lines if line["event"].startswith("GET")] == ["info"]


async def test_the_observer_hears_of_each_request_by_its_template(serve: Any, world: Any) -> None:
    world.add()
    heard: list[tuple[str, str, int]] = []
    client = serve(observer=lambda method, route, status, _s: heard.append((method, route, status))).client()
    await client.get("/api/debates/deb_1")
    await client.head("/api/health")
    await client.get("/nothing")
    assert heard == [
        ("GET", "/api/debates/{debate_id}", 200),
        ("HEAD", "/api/health", 200),
        ("GET", "unmatched", 404),
    ]


async def test_the_local_operator_is_only_of_this_machine(serve: Any) -> None:
    assert (await serve().client().get("/api/debates")).status_code == 200
    strangers = [
        serve().client(peer="10.0.0.9"),
        serve(bind_host="0.0.0.0").client(),
        serve(environment="production").client(),
        serve(api_token="secret").client(),
    ]
    answers = [await stranger.get("/api/debates") for stranger in strangers]
    answers.append(await serve().client().get("/api/debates", headers={"X-Forwarded-For": "10.0.0.9"}))
    assert [answer.status_code for answer in answers] == [401] * 5
    assert all(answer.headers["www-authenticate"] == "Bearer" for answer in answers)


async def test_the_api_token_opens_and_a_wrong_one_does_not(serve: Any) -> None:
    client = serve(api_token="secret", environment="production").client()
    assert (await client.get("/api/debates", headers={"Authorization": "Bearer secret"})).status_code == 200
    for wrong in ("Bearer other", "Bearer", "Basic secret", "secret", "Bearer é".encode("latin-1")):
        assert (await client.get("/api/debates", headers={"Authorization": wrong})).status_code == 401
    assert (await client.get("/api/debates?token=secret")).status_code == 401


async def test_organisations_do_not_see_each_other(serve: Any, world: Any) -> None:
    def of(org: str) -> dict[str, str]:
        return {"Authorization": "Bearer svc", "X-User-ID": "u", "X-Org-ID": org, "X-User-Roles": "member"}

    world.add("deb_a", org_id="a")
    client = serve(service_token="svc").client()
    other = of("b")
    for path in ("", "/events", "/receipt"):
        assert (await client.get(f"/api/debates/deb_a{path}", headers=other)).status_code == 404
    assert (await client.post("/api/debates/deb_a/cancel", headers=other)).status_code == 404
    vote = await client.post("/api/debates/deb_a/votes", headers=other, json={"choice": "ada"})
    assert vote.status_code == 404
    assert (await client.get("/api/debates", headers=other)).json()["debates"] == []
    assert (await client.get("/api/debates/export", headers=other)).json() == {"debates": []}
    assert (await client.get("/api/debates/deb_a", headers=of("a"))).status_code == 200


# --- the log --------------------------------------------------------------------------------------------------


async def test_a_request_is_a_line_of_the_log_and_a_healthy_probe_is_none(serve: Any, world: Any) -> None:
    client = serve(observer=lambda *_: None).client()
    world.add()
    with capture_logs() as lines:
        await client.get("/api/debates/deb_1")
        for probe in PROBES:
            assert (await client.get(probe)).status_code == 200
        await client.get("/api/debates/deb_2")
        await client.get("/nowhere?token=hunter22")
    told = [(line["event"], line["status"]) for line in lines if line["event"].startswith("GET")]
    assert told == [
        ("GET /api/debates/{debate_id} 200", 200),
        ("GET /api/debates/{debate_id} 404", 404),
        ("GET unmatched 404", 404),
    ]
    assert all(line["latency_s"] >= 0 for line in lines)
    assert lines[0]["user"]
    assert "hunter22" not in repr(lines)


async def test_a_flood_of_requests_is_no_flood_of_lines_and_hides_no_failure(serve: Any, world: Any) -> None:
    client = serve(observer=lambda *_: None).client()
    began = time.monotonic()
    with capture_logs() as lines:
        for _ in range(300):
            await client.get("/api/debates")
        took_s = time.monotonic() - began
        world.failure = Unavailable("the database is away")
        await client.get("/api/debates")
    good = [line for line in lines if line["event"] == "GET /api/debates 200"]
    assert BURST <= len(good) <= BURST + PER_S * took_s + 1
    assert [line["log_level"] for line in lines if line["event"] == "GET /api/debates 503"] == ["warning"]


async def test_a_flood_of_reads_hides_neither_a_refusal_nor_a_change(serve: Any, world: Any) -> None:
    client = serve(observer=lambda *_: None).client()
    world.add()
    with capture_logs() as lines:
        for _ in range(300):
            await client.get("/api/debates")
        refused = await client.get("/api/debates/deb_2", headers={"X-Request-ID": "told-to-a-person"})
        changed = await client.post("/api/debates/deb_1/cancel")
    assert (refused.status_code, changed.status_code) == (404, 200)
    told = [line["event"] for line in lines]
    assert told.count("GET /api/debates/{debate_id} 404") == 1
    assert told.count("POST /api/debates/{debate_id}/cancel 200") == 1


@pytest.mark.parametrize(
    ("environment", "peer", "counted"),
    [
        ("development", "127.0.0.1", None),
        ("development", "::1", None),
        ("development", "203.0.113.9", "203.0.113.9"),
        ("production", "127.0.0.1", "127.0.0.1"),
        ("production", "2001:db8::7", "2001:db8::/64"),
    ],
)
def test_what_is_held_open_is_counted_by_address_but_not_for_a_developer_at_home(
    serve: Any, environment: str, peer: str, counted: str | None
) -> None:
    authenticator = serve(environment=environment, api_token="x" * 32).identity.authenticator
    assert authenticator.caller(LOCAL_OPERATOR, CallerFacts(peer)).address == counted
