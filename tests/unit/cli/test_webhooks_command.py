"""`aragora webhooks`, beside a server that speaks its routes: what is printed, what is sent, and where secrets go."""

from __future__ import annotations

import io
import json
import re
import stat
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pydantic import BaseModel
from rich.console import Console
from worlds.answering_webhooks import answering_webhooks

from aragora.cli.main import main
from aragora.cli.rendering.webhooks import dead_letters_table, ending_certificates, webhooks_table
from aragora.server.chapters.webhook_deliveries import Chosen, webhook_deliveries
from aragora.server.chapters.webhooks import CreateWebhook, Rotate, SendTest
from aragora.server.chapters.webhooks import webhooks as webhook_routes

from .conftest import refusal

WEBHOOK = "wh_01a218225813745e98a7910652148f4a"
GONE = "wh_01a218225813745e98a7910652148f4b"
DEAD = "dlv_069f29427633c03f1e5b288711c428c6"
MADE = "whsec_" + "bWFkZSBieSB0aGUgc2VydmVyLCAzMiBieXRlcyBvZiBpdCE="
PUBLIC = "whpk_" + "A" * 43 + "="
CHOSEN = "a secret of our own choice"
TOKEN_IN_URL = "T0KEN"  # a part of a URL that nobody should see in a listing

Typed = Callable[..., Awaitable[int]]

PEM = str(Path(__file__))  # a text; what is in it only the server would look at
ROUTES = (*webhook_deliveries.routes, *webhook_routes.routes)  # in the order in which the server has them
BODIES: dict[str, type[BaseModel]] = {
    "create": CreateWebhook,
    "rotate": Rotate,
    "send_test": SendTest,
    "retry_many": Chosen,
    "purge_many": Chosen,
}


@dataclass
class WebhookServer:
    """What the server holds, and what it was asked: method, path with its query, body."""

    url: str = ""
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)  # by which route the real server takes it
    breaker: str = "closed"
    failures: int = 0
    delivers: bool = True
    verified: bool = False
    skipped: int = 0
    dead: int = 25_000  # of which one call takes 10,000

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.json() if request.can_read_body else None
        self.asked.append((request.method, request.path_qs, body))
        self.taken.append(taken_by_the_server(request.method, request.path, body))
        return await getattr(self, self._named(request.method, request.path))(request, body)

    def _named(self, method: str, path: str) -> str:
        parts = path.removeprefix("/api/webhooks").strip("/").split("/")
        if parts[0] == "dead-letters":
            return "_".join(["dead", method.lower(), *(part for part in parts[1:] if not part.startswith("dlv_"))])
        return "_".join([method.lower(), *(part for part in parts if part and not part.startswith("wh_"))])

    async def get(self, request: web.Request, _body: Any) -> web.Response:
        return web.json_response({"webhooks": [webhook(WEBHOOK), webhook(GONE, "paused")], "next_cursor": "c2"})

    async def get_stats(self, request: web.Request, _body: Any) -> web.Response:
        if GONE in request.path:
            return refusal(404, "not_found", "there is no such webhook")
        figures = {"waiting": 1234, "dead_lettered": 5, "failing_since": 1.0 if self.failures else None}
        return web.json_response(figures | {"breaker": self.breaker, "consecutive_failures": self.failures})

    async def get_deliveries(self, _request: web.Request, _body: Any) -> web.Response:
        return web.json_response({"deliveries": [{"ended_at": 1_772_366_400.0}], "next_cursor": None})

    async def post(self, _request: web.Request, body: Any) -> web.Response:
        if body["url"].startswith("http://10."):
            return refusal(422, "invalid_input", "url: the URL leads where webhooks may not go")
        return web.json_response(webhook(WEBHOOK) | secrets(body), status=201)

    async def post_verify(self, _request: web.Request, _body: Any) -> web.Response:
        wrong = {"verified": False, "status": 200, "message": "answered 200 (OK), without the challenge: send it back"}
        good = {"verified": True, "status": 200, "message": "answered 200 (OK), with the challenge"}
        before = {"verified": True, "status": None, "message": "it is verified already"}
        told = before if self.verified else good if self.delivers else wrong
        return web.json_response(
            told | {"duration_s": 0.0421, "error": None, "text": "ok", "webhook_status": "enabled"}
        )

    async def post_rotate(self, _request: web.Request, body: Any) -> web.Response:
        ends = [] if body.get("overlap_hours") == 0 else [1_772_366_400.0]
        return web.json_response(webhook(WEBHOOK) | secrets(body) | {"old_secrets_end_at": ends})

    async def post_test(self, _request: web.Request, _body: Any) -> web.Response:
        failed = {"delivered": False, "status": 500, "error": "status", "message": "the receiver answered 500"}
        told = {"delivered": True, "status": 204, "error": None, "message": ""} if self.delivers else failed
        return web.json_response(told | {"duration_s": 0.0421, "text": "" if self.delivers else "\x1b[31m[red]oops"})

    async def dead_get(self, _request: web.Request, _body: Any) -> web.Response:
        return web.json_response({"dead_letters": [dead_letter()], "next_cursor": "c2"})

    async def dead_post_retry(self, request: web.Request, body: Any) -> web.Response:
        if DEAD in request.path:
            return web.json_response({"delivery_id": DEAD, "status": "PENDING"}, status=202)
        return self._many("retried", {"skipped": self.skipped})

    async def dead_post_purge(self, _request: web.Request, _body: Any) -> web.Response:
        return self._many("purged", {})

    async def dead_delete(self, _request: web.Request, _body: Any) -> web.Response:
        return web.Response(status=204)

    def _many(self, name: str, more: dict[str, int]) -> web.Response:
        done = min(self.dead, 10_000)
        self.dead -= done
        left = self.dead > 0 or self.skipped >= 10_000
        return web.json_response({name: done, "more": left} | more, status=202)


def taken_by_the_server(method: str, path: str, body: Any) -> str:
    """The name of the real server's route. Raises for a path that it has not, and for a body that it refuses."""
    route = next(one for one in ROUTES if method in (one.methods or ()) and one.path_regex.match(path))
    name = route.endpoint.__name__
    if name in BODIES:
        BODIES[name].model_validate(body)
    return name


def webhook(webhook_id: str, status: str = "enabled") -> dict[str, Any]:
    url = f"https://hooks.example.com:8443/{TOKEN_IN_URL}?key={TOKEN_IN_URL}"
    return {"webhook_id": webhook_id, "url": url, "status": status, "events": ["debate_end", "consensus"]}


def secrets(body: Any) -> dict[str, str | None]:
    given = body.get("secret", MADE)
    if body.get("signature") == "ed25519":
        return {"secret": None, "standard_secret": None, "public_key": PUBLIC}
    return {"secret": given, "standard_secret": f"form of {given}", "public_key": None}


def dead_letter() -> dict[str, Any]:
    return {
        "delivery_id": DEAD,
        "webhook_id": WEBHOOK,
        "event_type": "debate_end",
        "attempts": 10,
        "ended_at": 1_772_366_400.0,
        "last_error": "the receiver answered 500, and \x1b[31mmore",
    }


@pytest.fixture
async def webhooks() -> AsyncIterator[WebhookServer]:
    fake = WebhookServer()
    async with answering_webhooks(fake.answer) as fake.url:
        yield fake


@pytest.fixture
def typed(webhooks: WebhookServer, type_command: Typed) -> Typed:
    async def run(*arguments: str) -> int:
        return await type_command("webhooks", *arguments, "--url", webhooks.url)

    return run


async def test_a_list_says_of_each_webhook_how_it_fares_and_nothing_of_its_url_but_the_host(
    typed: Typed, webhooks: WebhookServer, capsys: pytest.CaptureFixture[str]
) -> None:
    webhooks.breaker, webhooks.failures = "open", 7
    assert await typed("list", "--status", "enabled", "--limit", "2") == 0
    told = capsys.readouterr().out
    heading, first, second, more = told.splitlines()
    assert heading.split("  ")[0].strip() == "webhook"
    for text in (WEBHOOK, "enabled", "no, breaker open", "1,234", "5", "2026-03-01 12:00", "hooks.example.com:8443"):
        assert text in first
    assert "debate_end consensus" in first
    assert re.match(rf"{GONE} +paused +- +- +- +- ", second)  # somebody deleted it meanwhile
    assert more == "More: the same with --cursor c2"
    assert TOKEN_IN_URL not in told
    assert webhooks.asked[0] == ("GET", "/api/webhooks?status=enabled&limit=2", None)


@pytest.mark.parametrize(
    ("breaker", "failures", "told"),
    [("closed", 0, "yes"), ("closed", 3, "failing, 3 in a row"), ("half_open", 5, "no, breaker half open")],
)
async def test_a_list_tells_breaker_and_failures(
    *, breaker: str, failures: int, told: str, typed: Typed, webhooks: WebhookServer, capsys: pytest.CaptureFixture[str]
) -> None:
    webhooks.breaker, webhooks.failures = breaker, failures
    assert await typed("list") == 0
    assert told in capsys.readouterr().out


def test_a_client_certificate_that_ends_soon_is_told_under_the_list() -> None:
    certificate = {"expires_soon": True, "not_after": 1_772_366_400.0}
    rows = [webhook(WEBHOOK) | {"client_certificate": certificate}, webhook(GONE) | {"client_certificate": None}]
    rows.append(webhook(GONE) | {"client_certificate": {**certificate, "expires_soon": False}})
    (line,) = ending_certificates(rows)
    assert str(line) == f"{WEBHOOK}: its client certificate ends 2026-03-01 12:00 UTC"


async def test_a_list_as_json_has_the_figures_of_each(typed: Typed, capsys: pytest.CaptureFixture[str]) -> None:
    assert await typed("list", "--json") == 0
    page = json.loads(capsys.readouterr().out)
    assert page["next_cursor"] == "c2"
    assert page["webhooks"][0]["stats"]["waiting"] == 1234
    assert page["webhooks"][0]["last_success_at"] == 1_772_366_400.0
    assert page["webhooks"][1]["stats"] is None


async def test_a_secret_that_is_made_is_all_that_stands_on_standard_output(
    typed: Typed, webhooks: WebhookServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await typed("add", "https://a.example/x", "--event", "debate_end", "--event", "receipt") == 0
    told = capsys.readouterr()
    assert told.out == f"{MADE}\n"
    assert told.err.splitlines() == [
        f"{WEBHOOK} gets debate_end, receipt.",
        "This is the only time that its secret is shown: give it to the receiver now.",
    ]
    body = {"url": "https://a.example/x", "events": ["debate_end", "receipt"], "description": ""}
    assert webhooks.asked == [("POST", "/api/webhooks", body)]


@pytest.mark.parametrize("command", [("add", "https://a.example", "--event", "*"), ("rotate", WEBHOOK)])
async def test_of_a_key_the_public_half_is_printed_and_nothing_is_called_secret(
    command: tuple[str, ...], typed: Typed, webhooks: WebhookServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await typed(*command, "--signature", "ed25519") == 0
    told = capsys.readouterr()
    assert told.out == f"{PUBLIC}\n"
    assert told.err.splitlines()[-1] == "Its receiver checks signatures with this public key, which is no secret."
    assert "only time" not in told.err
    assert webhooks.asked[0][2]["signature"] == "ed25519"


async def test_a_client_certificate_comes_from_two_files_and_is_not_printed(
    typed: Typed, webhooks: WebhookServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    certificate, key = tmp_path / "client.pem", tmp_path / "client.key"
    certificate.write_text("-----BEGIN CERTIFICATE-----\nQ0VSVA==\n")
    key.write_text("-----BEGIN PRIVATE KEY-----\nS0VZS0VZ\n")
    files = ("--client-cert", str(certificate), "--client-key", str(key))
    assert await typed("add", "https://a.example", "--event", "*", *files, "--json") == 0
    sent = {"certificate": certificate.read_text(), "private_key": key.read_text()}
    assert webhooks.asked[0][2]["client_certificate"] == sent
    told = capsys.readouterr()
    assert "S0VZS0VZ" not in told.out + told.err


@pytest.mark.parametrize(
    ("certificate", "key", "told"),
    [
        (b"x", None, "belong together"),
        (None, b"x", "belong together"),
        (b"x" * 65_537, b"x", "has over 65,536 characters"),
        (b"x", b"S0VZS0VZ\xff", "it is no PEM"),
    ],
)
async def test_files_that_hold_no_client_certificate_are_refused_before_the_server_is_asked(
    *,
    certificate: bytes | None,
    key: bytes | None,
    told: str,
    typed: Typed,
    webhooks: WebhookServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = []
    for option, content in (("--client-cert", certificate), ("--client-key", key)):
        if content is not None:
            (tmp_path / option).write_bytes(content)
            options += [option, str(tmp_path / option)]
    assert await typed("add", "https://a.example", "--event", "*", *options) == 2
    error = capsys.readouterr().err
    assert told in error
    assert "S0VZS0VZ" not in error
    assert await typed("add", "https://a.example", "--event", "*", "--client-cert", "/none", "--client-key", "/no") == 2
    assert "No such file" in capsys.readouterr().err
    assert webhooks.asked == []


async def test_an_endpoint_that_is_to_be_verified_says_what_comes_next(
    typed: Typed, webhooks: WebhookServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await typed("add", "https://a.example", "--event", "receipt", "--verify") == 0
    told = capsys.readouterr()
    assert told.out == f"{MADE}\n"
    assert f"{WEBHOOK} gets receipt once 'aragora webhooks verify {WEBHOOK}' was answered." in told.err
    assert webhooks.asked[0][2]["verify"] is True


async def test_a_verification_says_what_the_receiver_did_and_its_exit_code_whether_it_answered(
    typed: Typed, webhooks: WebhookServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await typed("verify", WEBHOOK) == 0
    told = capsys.readouterr().out
    assert told.splitlines() == ["Verified: the receiver answered 200 after 0.042 s.", "It said:", "ok"]
    webhooks.delivers = False
    assert await typed("verify", WEBHOOK) == 1
    assert capsys.readouterr().out.splitlines() == [
        "Not verified: the receiver answered 200 after 0.042 s.",
        "answered 200 (OK), without the challenge: send it back",
        "It said:",
        "ok",
    ]
    webhooks.verified = True
    assert await typed("verify", WEBHOOK) == 0
    assert capsys.readouterr().out == "Nothing to do: it is verified already.\n"
    assert await typed("verify", WEBHOOK, "--json") == 0
    assert json.loads(capsys.readouterr().out)["verified"] is True


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("command", [("add", "https://a.example", "--event", "*"), ("rotate", WEBHOOK)])
async def test_a_secret_that_was_chosen_is_read_from_a_file_and_printed_in_no_form(
    *,
    command: tuple[str, ...],
    as_json: bool,
    typed: Typed,
    webhooks: WebhookServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{CHOSEN}\n")
    file.chmod(stat.S_IRUSR)
    assert await typed(*command, "--secret-file", str(file), *(["--json"] if as_json else [])) == 0
    assert webhooks.asked[0][2]["secret"] == CHOSEN
    told = capsys.readouterr()
    assert CHOSEN not in told.out + told.err
    assert (told.out == "") is not as_json


async def test_a_secret_may_come_from_standard_input(
    typed: Typed, webhooks: WebhookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{CHOSEN}\n"))
    assert await typed("add", "https://a.example", "--event", "*", "--secret-file", "-") == 0
    assert webhooks.asked[0][2]["secret"] == CHOSEN


async def test_no_option_takes_a_secret(type_command: Typed, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("add", "rotate", "listen"):
        assert await type_command("webhooks", command, "--help") == 0
        options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
        assert {option for option in options if "secret" in option} == {"--secret-file"}


async def test_an_url_that_is_refused_is_told_as_the_server_says(
    typed: Typed, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await typed("add", "http://10.0.0.1/", "--event", "*") == 2
    assert "the URL leads where webhooks may not go" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "body", "told"),
    [
        ((), {}, "the one before signs too until 2026-03-01 12:00 UTC"),
        (("--overlap-hours", "0"), {"overlap_hours": 0.0}, "no other secret signs any more"),
        (("--overlap-hours", "1.5"), {"overlap_hours": 1.5}, "the one before signs too until"),
    ],
)
async def test_a_rotation_says_how_long_the_old_secret_signs(
    *,
    options: tuple[str, ...],
    body: dict[str, float],
    told: str,
    typed: Typed,
    webhooks: WebhookServer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert await typed("rotate", WEBHOOK, *options) == 0
    printed = capsys.readouterr()
    assert printed.out == f"{MADE}\n"
    assert told in printed.err
    assert webhooks.asked == [("POST", f"/api/webhooks/{WEBHOOK}/rotate", body)]


async def test_a_test_says_code_and_time_and_its_exit_code_whether_it_arrived(
    typed: Typed, webhooks: WebhookServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await typed("test", WEBHOOK, "--event", "receipt") == 0
    assert capsys.readouterr().out == "Delivered: the receiver answered 204 after 0.042 s.\n"
    assert webhooks.asked[-1][2] == {"event_type": "receipt"}
    webhooks.delivers = False
    assert await typed("test", WEBHOOK) == 1
    assert capsys.readouterr().out.splitlines() == [
        "Not delivered (status): the receiver answered 500 after 0.042 s.",
        "the receiver answered 500",
        "It said:",
        "[31m[red]oops",
    ]
    assert await typed("test", WEBHOOK, "--json") == 1
    assert json.loads(capsys.readouterr().out)["error"] == "status"


async def test_dead_letters_are_listed_and_chosen(
    typed: Typed, webhooks: WebhookServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await typed("dead-letters", "--webhook", WEBHOOK, "--event", "debate_end") == 0
    told = capsys.readouterr().out
    for text in (DEAD, "debate_end", "10", "2026-03-01 12:00", WEBHOOK, "the receiver answered 500, and [31mmore"):
        assert text in told
    query = f"webhook_id={WEBHOOK}&event_type=debate_end&limit=20"
    assert webhooks.asked == [("GET", f"/api/webhooks/dead-letters?{query}", None)]
    assert await typed("dead-letters", "--json") == 0
    assert json.loads(capsys.readouterr().out)["dead_letters"][0]["delivery_id"] == DEAD


async def test_one_dead_letter_is_retried_or_deleted(
    typed: Typed, webhooks: WebhookServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await typed("dead-letters", "retry", DEAD) == 0
    assert await typed("dead-letters", "purge", DEAD, "--yes") == 0
    assert capsys.readouterr().out.splitlines() == [f"{DEAD} waits for its next attempt.", f"{DEAD} is gone."]
    assert [(method, path) for method, path, _ in webhooks.asked] == [
        ("POST", f"/api/webhooks/dead-letters/{DEAD}/retry"),
        ("DELETE", f"/api/webhooks/dead-letters/{DEAD}"),
    ]


async def test_all_dead_letters_are_done_however_many_calls_it_takes(
    typed: Typed, webhooks: WebhookServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await typed("dead-letters", "retry", "--all", "--event", "receipt") == 0
    assert capsys.readouterr().out == "25000 deliveries will be tried again.\n"
    assert [body for _, _, body in webhooks.asked] == [{"event_type": "receipt"}] * 3
    webhooks.dead = 1
    assert await typed("dead-letters", "purge", "--all", "--yes", "--webhook", WEBHOOK) == 0
    assert capsys.readouterr().out == "Deleted 1 dead letter.\n"
    assert webhooks.asked[-1][2] == {"webhook_id": WEBHOOK}


async def test_what_is_passed_over_ends_the_retrying_and_is_told(
    typed: Typed, webhooks: WebhookServer, capsys: pytest.CaptureFixture[str]
) -> None:
    webhooks.dead, webhooks.skipped = 2, 10_000  # each call comes upon these first
    assert await typed("dead-letters", "retry", "--all") == 0
    told = capsys.readouterr().out
    assert told == "2 deliveries will be tried again; 10000 others passed over: the webhook is gone.\n"
    assert len(webhooks.asked) == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("dead-letters", "retry"), "Name one delivery by its id, or say --all"),
        (("dead-letters", "retry", DEAD, "--all"), "Name one delivery by its id, or say --all"),
        (("dead-letters", "purge", "--yes"), "Name one delivery by its id, or say --all"),
        (("dead-letters", "purge", "--yes", DEAD, "--event", "receipt"), "a single delivery has its id"),
        (("dead-letters", "purge", "--all"), "add --yes"),
        (("dead-letters", "--webhook", WEBHOOK, "purge", "--all", "--yes"), "Write the options after purge"),
        (("test", "../debates"), "is no id"),
        (("dead-letters", "retry", "a/b"), "is no id"),
    ],
)
async def test_what_is_not_clear_is_refused_before_the_server_is_asked(
    *,
    arguments: tuple[str, ...],
    told: str,
    typed: Typed,
    webhooks: WebhookServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert await typed(*arguments) == 2
    assert told in capsys.readouterr().err
    assert webhooks.asked == []


async def test_the_real_server_takes_what_each_command_asks_by_the_route_that_is_meant(
    typed: Typed, webhooks: WebhookServer
) -> None:
    for command, routes in (
        (("list",), {"listing", "stats"}),
        (("add", "https://a.example", "--event", "*", "--description", "x"), {"create"}),
        (("add", "https://a.example", "--event", "*", "--signature", "ed25519", "--verify"), {"create"}),
        (("add", "https://a.example", "--event", "*", "--client-cert", PEM, "--client-key", PEM), {"create"}),
        (("list", "--status", "unverified"), {"listing", "stats"}),
        (("verify", WEBHOOK), {"verify"}),
        (("test", WEBHOOK, "--event", "receipt"), {"send_test"}),
        (("rotate", WEBHOOK, "--overlap-hours", "2", "--signature", "hmac"), {"rotate"}),
        (("dead-letters", "--webhook", WEBHOOK, "--event", "receipt"), {"dead_letters"}),
        (("dead-letters", "retry", DEAD), {"retry"}),
        (("dead-letters", "retry", "--all", "--webhook", WEBHOOK, "--event", "receipt"), {"retry_many"}),
        (("dead-letters", "purge", DEAD, "--yes"), {"purge"}),
        (("dead-letters", "purge", "--all", "--yes", "--webhook", WEBHOOK), {"purge_many"}),
    ):
        webhooks.taken.clear()
        assert await typed(*command) == 0
        assert set(webhooks.taken) == routes


def test_a_server_that_is_away_is_told_with_its_own_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["webhooks", "list", "--url", "http://127.0.0.1:9"]) == 3
    assert "aragora serve" in capsys.readouterr().err


@pytest.mark.parametrize("on_terminal", [False, True])
def test_in_80_columns_ids_stand_whole_and_on_one_line(on_terminal: bool) -> None:
    stats = {"breaker": "open", "waiting": 3, "dead_lettered": 0}
    rows = [webhook(WEBHOOK, status) | {"stats": stats} for status in ("enabled", "unverified")]
    for table, ids in ((webhooks_table(rows), [WEBHOOK]), (dead_letters_table([dead_letter()]), [DEAD, WEBHOOK])):
        console = Console(file=io.StringIO(), width=80, force_terminal=on_terminal, highlight=False, color_system=None)
        console.soft_wrap = not on_terminal
        console.print(table)
        assert isinstance(console.file, io.StringIO)
        told = console.file.getvalue()
        for each in ids:
            assert each in told
        assert ("unverified" in told) is (ids == [WEBHOOK])
        if on_terminal:
            assert max(map(len, told.splitlines())) <= 80
        assert "\x1b" not in told
