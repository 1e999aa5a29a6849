"""Login with an OpenID provider, against a local one: the way through, and every way it is refused."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest

from aragora.errors import AragoraError, Conflict, InvalidInput, Unauthenticated, Unavailable
from aragora.identity.oauth import Arrival, OpenIdLogin
from aragora.identity.parts import Visit

pytestmark = pytest.mark.slow

VISIT = Visit("203.0.113.9")


async def refused(awaitable: Any, kind: type[AragoraError] = Unauthenticated) -> str:
    with pytest.raises(kind) as caught:
        await awaitable
    return caught.value.code


async def arrived(login: OpenIdLogin, provider: Any) -> Arrival:
    leaving = await login.depart()
    back = provider.consent(leaving.url)
    return await login.arrive(back["state"], back["code"], leaving.cookie)


async def test_a_person_comes_back_with_a_verified_address(login: OpenIdLogin, provider: Any, identity: Any) -> None:
    leaving = await login.depart("https://app.example.org/done")
    assert leaving.cookie not in leaving.url
    assert urlsplit(leaving.url).path == "/authorize"
    back = provider.consent(leaving.url)
    arrival = await login.arrive(back["state"], back["code"], leaving.cookie)
    assert (arrival.subject, arrival.email, arrival.redirect) == (
        "google:1234", "Jane@Example.com", "https://app.example.org/done",
    )  # fmt: skip
    first = await identity.accounts.arrived(arrival, VISIT)
    again = await identity.accounts.arrived(arrival, VISIT)
    assert first == again


async def test_an_account_with_a_password_is_not_taken_over(login: OpenIdLogin, provider: Any, identity: Any) -> None:
    await identity.accounts.register("jane@example.com", "correct horse battery", "J", VISIT, by=None)
    leaving = await login.depart()
    back = provider.consent(leaving.url)
    arrival = await login.arrive(back["state"], back["code"], leaving.cookie)
    await refused(identity.accounts.arrived(arrival, VISIT), Conflict)


@pytest.mark.parametrize("cookie", [None, "", "another browser"])
async def test_a_link_begun_elsewhere_does_not_log_this_browser_in(
    cookie: str | None, login: OpenIdLogin, provider: Any
) -> None:
    back = provider.consent((await login.depart()).url)
    assert await refused(login.arrive(back["state"], back["code"], cookie)) == "oauth_refused"


async def test_a_state_is_good_once_and_for_ten_minutes(login: OpenIdLogin, provider: Any, clock: Any) -> None:
    leaving = await login.depart()
    back = provider.consent(leaving.url)
    await login.arrive(back["state"], back["code"], leaving.cookie)
    assert await refused(login.arrive(back["state"], back["code"], leaving.cookie)) == "oauth_refused"
    late = await login.depart()
    back = provider.consent(late.url)
    clock.at += 601
    assert await refused(login.arrive(back["state"], back["code"], late.cookie)) == "oauth_refused"
    assert await refused(login.arrive("invented", "code", late.cookie)) == "oauth_refused"


async def test_a_code_of_another_login_does_not_fit(login: OpenIdLogin, provider: Any) -> None:
    mine, theirs = await login.depart(), await login.depart()
    back, stolen = provider.consent(mine.url), provider.consent(theirs.url)
    assert await refused(login.arrive(back["state"], stolen["code"], mine.cookie)) == "oauth_refused"


@pytest.mark.parametrize(
    "changes",
    [
        {"nonce": "another"}, {"nonce": None}, {"iss": "https://accounts.google.com"}, {"aud": "another-client"},
        {"exp": 1}, {"email_verified": False}, {"email_verified": "true"}, {"email": None}, {"sub": None},
        {"azp": "another-client"},
    ],
)  # fmt: skip
async def test_an_id_token_that_is_not_for_this_login_is_refused(
    changes: dict[str, Any], login: OpenIdLogin, provider: Any
) -> None:
    provider.changes = changes
    leaving = await login.depart()
    back = provider.consent(leaving.url)
    assert await refused(login.arrive(back["state"], back["code"], leaving.cookie)) == "oauth_refused"


async def test_a_symmetric_signature_is_refused(login: OpenIdLogin, provider: Any, beside: Any) -> None:
    provider.forge_with(beside("oidc").CLIENT_SECRET)
    leaving = await login.depart()
    back = provider.consent(leaving.url)
    assert await refused(login.arrive(back["state"], back["code"], leaving.cookie)) == "oauth_refused"


async def test_a_foreign_key_is_refused(login: OpenIdLogin, provider: Any) -> None:
    provider.signing = type(provider.key).generate_key(2048, {"kid": "k1"})
    leaving = await login.depart()
    back = provider.consent(leaving.url)
    assert await refused(login.arrive(back["state"], back["code"], leaving.cookie)) == "oauth_refused"


async def test_a_redirect_elsewhere_is_refused_before_anything_begins(login: OpenIdLogin) -> None:
    assert await refused(login.depart("https://evil.example/"), InvalidInput) == "bad_redirect"


async def test_a_provider_that_is_away_is_unavailable_not_a_refusal(login: OpenIdLogin, provider: Any) -> None:
    leaving = await login.depart()
    back = provider.consent(leaving.url)
    provider.down = True
    await refused(login.arrive(back["state"], back["code"], leaving.cookie), Unavailable)


@pytest.mark.parametrize("body", [b"\xff\xfe", b'{"id_token": "\xff"}', b"[" * 100_000, b"{", b"[]", b"{}"])
async def test_an_answer_that_cannot_be_read_is_a_refusal(body: bytes, login: OpenIdLogin, provider: Any) -> None:
    leaving = await login.depart()
    back = provider.consent(leaving.url)
    provider.raw["/token"] = body
    assert await refused(login.arrive(back["state"], back["code"], leaving.cookie)) == "oauth_refused"


@pytest.mark.parametrize("body", [b"\xff\xfe", b"[" * 100_000, b"{", b"[]", b"x" * 1_100_000])
async def test_what_the_provider_tells_everybody_is_no_refusal_of_one_where_it_cannot_be_read(
    body: bytes, login: OpenIdLogin, provider: Any
) -> None:
    configuration = "/.well-known/openid-configuration"
    provider.raw[configuration] = body
    await refused(login.depart(), Unavailable)
    del provider.raw[configuration]
    leaving = await login.depart()
    back = provider.consent(leaving.url)
    provider.raw["/jwks"] = body
    await refused(login.arrive(back["state"], back["code"], leaving.cookie), Unavailable)


@pytest.mark.parametrize("keys", [b'{"keys": 5}', b'{"keys": ["x"]}', b'{"keys": [{"kty": []}]}', b'{"keys": null}'])
async def test_keys_that_are_none_are_a_refusal(keys: bytes, login: OpenIdLogin, provider: Any) -> None:
    leaving = await login.depart()
    back = provider.consent(leaving.url)
    provider.raw["/jwks"] = keys
    assert await refused(login.arrive(back["state"], back["code"], leaving.cookie)) == "oauth_refused"
    del provider.raw["/jwks"]
    assert await arrived(login, provider), "bad keys are not kept"


async def test_a_provider_changes_its_keys_and_logins_go_on(login: OpenIdLogin, provider: Any) -> None:
    assert await arrived(login, provider)
    provider.key = provider.signing = type(provider.key).generate_key(2048, {"kid": "k2"})
    provider.header = {"alg": "RS256", "kid": "k2"}
    assert await arrived(login, provider)


@pytest.mark.parametrize("address", [None, 5, [], "javascript:alert(1)", "/authorize"])
@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri"])
async def test_a_provider_that_does_not_say_where_is_unavailable_until_it_does(
    name: str, address: Any, login: OpenIdLogin, provider: Any
) -> None:
    provider.endpoints = {name: address}
    await refused(login.depart(), Unavailable)
    provider.endpoints = {}
    assert await login.depart(), "a bad answer is not kept"


@pytest.mark.parametrize("subject", ["1234\x00", "jos\u00e9", "", "1" * 300, 5, ["1234"]])
async def test_a_subject_that_no_store_keeps_is_a_refusal(subject: Any, login: OpenIdLogin, provider: Any) -> None:
    provider.changes = {"sub": subject}
    leaving = await login.depart()
    back = provider.consent(leaving.url)
    assert await refused(login.arrive(back["state"], back["code"], leaving.cookie)) == "oauth_refused"
