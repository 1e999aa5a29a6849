"""NUL and its like in every text that the API takes, over the stores of production: refused each time, and no failure
of the server anywhere. The places come out of the OpenAPI document, so a new route is tried without being named."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import SecretStr
from starlette.testclient import TestClient
from websockets.asyncio import client as websocket
from worlds.backends import postgres_settings
from worlds.memory_server import Boards, World, served
from worlds.waiting import WAIT_S

from actors.gateways.operations import StoredLeaderboard
from aragora.config.settings import Settings
from aragora.debate.store.debates import DebateStore
from aragora.migrations.applying import apply_pending
from aragora.ranking.store import RatingStore
from aragora.storage.contexts import Context
from aragora.storage.database import Database

pytestmark = pytest.mark.slow

HOSTILE = ("a\0b", "\0", "\x1b[2J")
HALF = "\ud800"  # of a surrogate pair: JSON can say it, a URL cannot
UNREAD = {"/api/receipts/verify", "/api/workflows/validate"}
"""Take any JSON at all, and keep none of it: a receipt is valid or not, a definition has faults or not."""
VALUES = {
    "email": "ann@example.com",
    "password": "correct horse battery",
    "current": "correct horse battery",
    "new": "another horse battery",
    "code": "123456",
    "reason": "a question of support",
    "user_id": "usr_1",
    "invitation_id": "inv_" + 32 * "0",
    "type": "slack",
    "webhook_id": "wh_" + 32 * "0",
    "delivery_id": "dlv_" + 32 * "0",
    "replay_id": "rpl_" + 32 * "0",
    "item_id": "kn_" + 32 * "0",
    "If-Match": "1",
    "content": "It holds.",
    "adapter": "consensus",
    "kind": "note",
    "forgetting_id": "fgt_" + 32 * "0",
    "share_id": "ins_" + 32 * "0",
    "revalidation_id": "rev_" + 32 * "0",
    "task_id": "tsk_" + 32 * "0",
    "workflow_id": "wf_" + 32 * "0",
    "execution_id": "exe_" + 32 * "0",
    "approval_id": "apr_" + 32 * "0",
    "digest": 64 * "0",
    "step": "debate",
    "template_id": "quick_decision",
    "url": "https://hooks.example.com/aragora",
    "secret": "a secret of webhooks",
    "schedule": "patient",
    "events": "debate_end",
    "event_type": "debate_end",
}
KEYS = {"filter": "domain", "headers": "X-Own"}
"""Of objects whose keys the caller chooses."""


class StoredDebates(World):
    """Reads debates from the store; what would be written goes nowhere."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        store = DebateStore(database)
        self.get, self.page, self.export = store.get, store.page, store.export  # type: ignore[method-assign, assignment]
        self.events, self.receipt = store.events, store.receipt  # type: ignore[method-assign, assignment]
        self.asked = store.asked  # type: ignore[method-assign]


class StoredBoards(Boards):
    """Reads ratings from the store."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.rankings = StoredLeaderboard(RatingStore(database)).rankings  # type: ignore[method-assign]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    """A development server: its caller is the local operator and gets past every policy."""
    directory = tmp_path_factory.mktemp("hostile")
    settings = Settings(data_dir=directory)
    if request.param == "postgresql":
        settings = asyncio.run(postgres_settings(request.getfixturevalue("postgres_url"), directory))
    settings = settings.model_copy(update={"encryption_key": SecretStr(secrets.token_hex(32))})
    asyncio.run(apply_pending(settings))
    world = StoredDebates(Database.open(settings, Context.DEBATES))
    return served(settings, world, StoredBoards(Database.open(settings, Context.ELO))).app


@pytest.fixture(scope="module")
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(
        app, "http://localhost:8080", client=("127.0.0.1", 5555), follow_redirects=False, raise_server_exceptions=False
    ) as client:
        yield client


def test_no_route_takes_a_text_that_a_store_cannot_keep(app: FastAPI, client: TestClient) -> None:
    document = get_openapi(title="Aragora", version="1", routes=app.routes)
    tried = 0
    for path, method, operation in operations_of(document):
        for place, sent in attempts(document, path, operation):
            answer = client.request(method.upper(), sent.pop("url"), **sent)
            told = f"{method} {path} {place}: {answer.status_code} {answer.text[:300]}"
            if path not in UNREAD:
                assert 400 <= answer.status_code < 500, told
            assert answer.status_code < 500, told
            if answer.status_code == 422 and place.startswith("body"):
                parts = place.removeprefix("body.").lower().split(".")
                assert any(part in answer.text.lower() for part in parts if not part.isdigit()), told
            tried += 1
    assert tried > 100


def operations_of(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def attempts(document: dict[str, Any], path: str, operation: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Requests that are sound but for one text, each with the place of that text."""
    parameters = [one for one in operation.get("parameters", ()) if is_text(document, one["schema"])]
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    sound = None if content is None else example(document, content["schema"], "")
    for hostile in (*HOSTILE, HALF):
        for parameter in parameters if hostile != HALF else ():
            name, where = parameter["name"], parameter["in"]
            sent: dict[str, Any] = {"url": filled(path), **({} if sound is None else {"json": sound})}
            text = quote(hostile)
            if where == "path":
                sent["url"] = filled(path, {name: text})
            elif where == "query":
                sent["url"] += f"?{name}={text}"
            else:
                sent["headers"] = {name: b"a\x85b"}  # of all control characters only these pass an HTTP parser
            yield f"{where}.{name}", sent
        for place, body in spoilt(sound, hostile):
            yield f"body{place}", {"url": filled(path), "content": dumped(body), "headers": JSON}


JSON = {"Content-Type": "application/json"}


def dumped(body: Any) -> bytes:
    return json.dumps(body).encode()


def filled(path: str, values: dict[str, str] | None = None) -> str:
    """The path with every parameter in its place."""
    known = VALUES | {"debate_id": "deb_1"} | (values or {})
    for name, value in known.items():
        path = path.replace(f"{{{name}}}", value)
    assert "{" not in path, f"give {path} a value in VALUES"
    return path


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """The schema itself, and of several the one that is not null."""
    if "$ref" in schema:
        return resolved(document, document["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    for choice in schema.get("anyOf", ()):
        if choice.get("type") != "null":
            return resolved(document, choice) | {key: value for key, value in schema.items() if key == "minimum"}
    return schema


def is_text(document: dict[str, Any], schema: dict[str, Any]) -> bool:
    return resolved(document, schema).get("type") == "string"


def example(document: dict[str, Any], schema: dict[str, Any], name: str) -> Any:
    """A value that the schema allows, with every text in it."""
    schema = resolved(document, schema)
    match schema.get("type"):
        case "string":
            return schema.get("enum", [VALUES.get(name, "general")])[0]
        case "array":
            return [example(document, schema["items"], name)]
        case "object":
            fields = schema.get("properties", {})
            values = schema.get("additionalProperties")
            free: dict[str, Any] = {"channel": "ops", "nested": [{"note": "x"}]}
            if isinstance(values, dict):
                free = {KEYS.get(name, "channel"): example(document, values, name)}
            return {key: example(document, inner, key) for key, inner in fields.items()} or free
    return False if schema.get("type") == "boolean" else schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)


def spoilt(value: Any, hostile: str, place: str = "") -> Iterator[tuple[str, Any]]:
    """Copies of a JSON value with one text replaced, each with its place."""
    if isinstance(value, str):
        yield place, hostile
    elif isinstance(value, dict):
        for key, inner in value.items():
            for where, changed in spoilt(inner, hostile, f"{place}.{key}"):
                yield where, {**value, key: changed}
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            for where, changed in spoilt(inner, hostile, f"{place}.{number}"):
                yield where, [*value[:number], changed, *value[number + 1 :]]


MESSAGES: tuple[dict[str, Any], ...] = (
    {"type": "subscribe", "debate_id": "deb_1", "after_seq": 0},
    {"type": "unsubscribe", "debate_id": "deb_1"},
    {"type": "user_vote", "loop_id": "deb_1", "payload": {"choice": "ada", "intensity": 5}},
    {"type": "user_suggestion", "loop_id": "deb_1", "payload": {"text": "Think of cost."}},
    {"type": "get_loops"},
    {"type": "ping"},
)


async def test_no_message_over_a_websocket_takes_such_a_text_or_is_an_internal_error(
    serve: Any, wire: Any, world: World
) -> None:
    world.add()
    async with serve() as address, websocket.connect(f"ws://{address}/ws", open_timeout=WAIT_S) as socket:
        for message in MESSAGES:
            for hostile in (*HOSTILE, HALF):
                for place, sent in spoilt(message, hostile):
                    await socket.send(json.dumps(sent))
                    answer = (await wire.next_of(socket, "error"))["data"]
                    told = f"{message['type']}{place}: {answer}"
                    assert answer["code"] == "invalid_input", told
                    if place != ".type" and hostile != HALF:
                        assert place.rpartition(".")[2] in answer["message"], told


@pytest.mark.parametrize("name", ["ticket", "token"])
def test_no_handshake_of_a_websocket_is_an_internal_error(client: TestClient, name: str) -> None:
    answer = client.get(f"/ws?{name}=a%00b")
    assert answer.status_code < 500
