"""Login with a provider over HTTP: what the page is given, who may exchange it, and what rests meanwhile."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import httpx2
import pyotp
import pytest
from worlds.memory_server import DEFAULT_CONFIG

from aragora.errors import RateLimited
from aragora.identity.client_address import Trust
from aragora.identity.oauth import EXCHANGE_S, FinishedLogins, OpenIdLogin, digest_of
from aragora.identity.parts import Visit
from aragora.identity.people import OPERATOR
from aragora.identity.registration import Registration, RegistrationRules
from aragora.server.app import create_app
from aragora.server.authentication import Authenticator, FixedHops
from aragora.server.chapters.oauth import OAuthPorts, oauth
from aragora.server.feature import Feature
from aragora.storage.ephemeral import sweeping

pytestmark = pytest.mark.slow

PAGE: Final = "https://app.example.org/done"
VERIFIER: Final = "v" * 43
EXCHANGE: Final = "/api/auth/oauth/exchange"


@pytest.fixture
def app(login: OpenIdLogin, identity: Any, clock: Any) -> Any:
    """A server with these routes alone."""
    parts = identity.parts

    async def opened() -> OpenIdLogin:
        return login

    ports = OAuthPorts(
        parts=parts,
        accounts=identity.accounts,
        logins=identity.logins,
        finished=FinishedLogins(parts.shared),
        login=opened,
        success_url=PAGE,
        error_url=None,
    )
    authenticator = Authenticator(
        identity.authentication, parts.limits, parts.registry, FixedHops(Trust()), production=False
    )
    return create_app(DEFAULT_CONFIG, authenticator, [Feature("oauth", ports, chapters=(oauth,))])


@pytest.fixture
def browser(app: Any) -> Callable[[], httpx2.AsyncClient]:
    """Makes browsers, each with cookies of its own."""
    transport = httpx2.ASGITransport(app=app, client=("203.0.113.9", 5555), raise_app_exceptions=False)
    return lambda: httpx2.AsyncClient(transport=transport, base_url="http://localhost:8080")


async def come_back(client: httpx2.AsyncClient, provider: Any, **asked: str) -> httpx2.Response:
    leaving = await client.get("/api/auth/oauth/google", params=asked)
    return await client.get("/api/auth/oauth/google/callback", params=provider.consent(leaving.headers["location"]))


async def code_for_the_page(client: httpx2.AsyncClient, provider: Any, **asked: str) -> str:
    back = await come_back(client, provider, **asked)
    assert back.status_code == 302, back.text
    place = urlsplit(back.headers["location"])
    assert f"{place.scheme}://{place.netloc}{place.path}" == PAGE
    return parse_qs(place.fragment)["code"][0]


async def exchanged(client: httpx2.AsyncClient, code: str, **more: str) -> tuple[int, Any]:
    answer = await client.post(EXCHANGE, json={"code": code, **more})
    body = answer.json()
    return answer.status_code, body["error"]["code"] if "error" in body else body


def failures(identity: Any) -> float:
    counted = {delta.sample: delta.amount for delta in identity.parts.registry.drain()}
    return float(counted.get("aragora_auth_failures_total", 0))


async def refusals(identity: Any) -> list[str]:
    """Whose logins the audit log says were refused."""
    entries = await identity.parts.audit.page(action="auth.login")
    return [entry.event.actor for entry in entries if entry.event.outcome == "denied"]


def one_time_rows(data_dir: Path) -> list[tuple[str, str]]:
    with sqlite3.connect(data_dir / "users.db") as database:
        return list(database.execute("SELECT key, value FROM ephemeral"))


async def test_a_link_with_a_strangers_code_logs_nobody_in(browser: Any, provider: Any, identity: Any) -> None:
    async with browser() as mallory, browser() as victim:
        code = await code_for_the_page(mallory, provider)
        assert await exchanged(victim, code) == (401, "invalid_code")
        assert await exchanged(mallory, code) == (401, "invalid_code")  # and it is used up
        mine = await code_for_the_page(mallory, provider)
        await code_for_the_page(victim, provider)
        assert await exchanged(victim, mine) == (401, "invalid_code")


async def test_the_browser_that_began_gets_its_tokens_once(browser: Any, provider: Any, identity: Any) -> None:
    async with browser() as page:
        code = await code_for_the_page(page, provider)
        status, tokens = await exchanged(page, code)
        assert status == 200
        who = await identity.who(tokens["access_token"])
        assert (who.proved_at, who.login) == (identity.parts.clock.at, "oauth")
        assert await exchanged(page, code) == (401, "invalid_code")


async def test_a_page_elsewhere_shows_the_verifier_of_its_challenge(browser: Any, provider: Any, identity: Any) -> None:
    async with browser() as navigation, browser() as page, browser() as mallory:
        code = await code_for_the_page(navigation, provider, challenge=digest_of(VERIFIER))
        assert await exchanged(mallory, code, verifier="w" * 43) == (401, "invalid_code")
        code = await code_for_the_page(navigation, provider, challenge=digest_of(VERIFIER))
        assert await exchanged(navigation, code) == (401, "invalid_code")  # no cookie stands in for it
        code = await code_for_the_page(navigation, provider, challenge=digest_of(VERIFIER))
        status, tokens = await exchanged(page, code, verifier=VERIFIER)
        assert status == 200
        assert await identity.who(tokens["access_token"])


async def test_no_token_and_no_code_rests_and_what_rests_ends(
    browser: Any, provider: Any, identity: Any, tmp_path: Path
) -> None:
    async with browser() as page:
        code = await code_for_the_page(page, provider)
        rows = one_time_rows(tmp_path)
        assert rows
        assert code not in str(rows)
        assert "token" not in str(rows)
        sweep = sweeping(identity.parts.shared.database, identity.parts.clock)
        assert await sweep.run() == "swept 0 ended rows"
        identity.parts.clock.at += EXCHANGE_S
        assert await exchanged(page, code) == (401, "invalid_code")
        await code_for_the_page(page, provider)
        identity.parts.clock.at += 700.0
        assert await sweep.run() != "swept 0 ended rows"
        assert one_time_rows(tmp_path) == []


async def test_an_account_disabled_between_return_and_exchange_gets_nothing(
    browser: Any, provider: Any, identity: Any
) -> None:
    async with browser() as page:
        code = await code_for_the_page(page, provider)
        user = await identity.parts.users.by_oauth_subject("google:1234")
        await identity.people.disable(OPERATOR, user.user_id, Visit("203.0.113.9"))
        assert await exchanged(page, code) == (401, "oauth_refused")
        assert await refusals(identity) == [user.user_id]


async def test_who_is_let_in_no_more_is_counted_once_and_audited(browser: Any, provider: Any, identity: Any) -> None:
    async with browser() as page:
        await code_for_the_page(page, provider)
        user = await identity.parts.users.by_oauth_subject("google:1234")
        await identity.people.disable(OPERATOR, user.user_id, Visit("203.0.113.9"))
        assert failures(identity) == 0
        back = await come_back(page, provider)
    assert (back.status_code, back.json()["error"]["code"]) == (401, "oauth_refused")
    assert failures(identity) == 1
    assert await refusals(identity) == [user.user_id]


async def test_a_provider_that_is_away_is_nobodys_failed_login(browser: Any, provider: Any, identity: Any) -> None:
    provider.down = True
    async with browser() as page:
        assert (await come_back(page, provider)).status_code == 503
    assert failures(identity) == 0


async def test_logins_with_a_provider_are_begun_as_seldom_as_with_a_password(browser: Any, identity: Any) -> None:
    async with browser() as page:
        leaving = [await page.get("/api/auth/oauth/google") for _ in range(31)]
    assert [answer.status_code for answer in leaving] == [302] * 30 + [429]
    assert int(leaving[-1].headers["retry-after"]) >= 1
    with pytest.raises(RateLimited):
        await identity.accounts.login("jane@example.com", "correct horse battery", Visit("203.0.113.9"))


async def test_a_stranger_is_told_that_nobody_registers_alone_as_it_is_described(
    app: Any, browser: Any, provider: Any, identity: Any
) -> None:
    object.__setattr__(identity.parts, "registration", RegistrationRules(Registration.CLOSED))
    async with browser() as page:
        back = await come_back(page, provider)
    assert (back.status_code, back.json()["error"]["code"]) == (403, "registration_closed")
    assert "403" in app.openapi()["paths"]["/api/auth/oauth/google/callback"]["get"]["responses"]


async def test_a_factor_is_asked_for_after_the_provider_too(browser: Any, provider: Any, identity: Any) -> None:
    async with browser() as page:
        _, tokens = await exchanged(page, await code_for_the_page(page, provider))
        who = await identity.who(tokens["access_token"])
        totp = pyotp.TOTP((await identity.second_factor.enrol(who, Visit("203.0.113.9"))).secret)
        await identity.second_factor.confirm(who, totp.at(int(identity.parts.clock.at)), Visit("203.0.113.9"))
        _, challenge = await exchanged(page, await code_for_the_page(page, provider))
        assert challenge["mfa_required"] is True


@pytest.mark.parametrize("odd", ["\x00", "a\x00b", "\x1b[31m", "\x7f", "x" * 2049])
async def test_odd_characters_are_refused_as_input(odd: str, browser: Any, provider: Any) -> None:
    async with browser() as page:
        for name in ("state", "code"):
            query = {"state": "s", "code": "c", name: odd}
            answer = await page.get("/api/auth/oauth/google/callback", params=query)
            assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_input")
        for name in ("redirect", "challenge"):
            assert (await page.get("/api/auth/oauth/google", params={name: odd})).status_code == 422
        assert (await page.post(EXCHANGE, json={"code": odd + "x" * 3000})).status_code == 422
        cookie = [(b"cookie", b"aragora_oauth_code=\xff\xfe")]
        assert (await page.post(EXCHANGE, json={"code": "c"}, headers=cookie)).status_code == 401


async def test_an_answer_of_the_provider_that_comes_in_pieces_is_read_whole(browser: Any, provider: Any) -> None:
    provider.pieces = True
    async with browser() as page:
        status, _ = await exchanged(page, await code_for_the_page(page, provider))
        assert status == 200


async def test_an_endless_answer_of_the_provider_is_not_read(browser: Any, provider: Any) -> None:
    provider.padding = "x" * 1_100_000
    async with browser() as page:
        leaving = await page.get("/api/auth/oauth/google")
    assert leaving.status_code == 503, "nobody has been refused: nobody has tried to log in yet"
    assert int(leaving.headers["retry-after"]) >= 1
