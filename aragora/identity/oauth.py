"""Login with Google (or any OpenID Connect provider): authorization code with PKCE, state, nonce and a cookie.

- `state` is random, kept for ten minutes, used once, and bound to the browser by a cookie: a link that someone else
  started cannot log this browser in.
- PKCE (S256) binds the code to this server, the nonce binds the ID token to this login.
- The ID token must be signed by a key of the provider with RS256 or ES256, be for this client, and not be expired.
- Where the login ends is configured; a `redirect` of the caller must be at an allowed host.
- The page where it ends gets a code, which only the browser or page that began the login can exchange for tokens: it
  shows a cookie, or the verifier whose challenge it named at the departure (S256, as in PKCE). Until then the server
  keeps who logged in, never tokens.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from authlib.oauth2.client import OAuth2Client  # type: ignore[import-untyped]
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from aragora.clock import Clock
from aragora.encoding import decode, decode_as, encode_text
from aragora.errors import InvalidInput, Unauthenticated, Unavailable
from aragora.identity.origins import redirect_allowed
from aragora.storage.ephemeral import Ephemeral
from aragora.whole_answer import AnswerTooLarge, read_whole

if TYPE_CHECKING:
    from aiohttp import ClientSession

GOOGLE_ISSUER: Final = "https://accounts.google.com"
ALGORITHMS: Final = ["RS256", "ES256"]
SCOPE: Final = "openid email profile"
TIMEOUT_S: Final = 10.0
DISCOVERY_S: Final = 3600.0
MAX_ANSWER_BYTES: Final = 1_000_000
CLOCK_SKEW_S: Final = 60
STATE_S: Final = 600.0  # from the departure to the return
EXCHANGE_S: Final = 60.0  # from the return to the exchange
_INVALID: Final = (JoseError, ValueError, KeyError, TypeError, AttributeError, RecursionError)
_ENDPOINTS: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")


@dataclass(frozen=True, slots=True)
class OAuthSettings:
    """The client as registered with the provider."""

    client_id: str
    redirect_uri: str
    client_secret: str = field(repr=False)
    allowed_hosts: tuple[str, ...] = ()
    issuer: str = GOOGLE_ISSUER
    name: str = "google"


@dataclass(frozen=True, slots=True)
class Departure:
    """Where to send the browser, and the cookie it must bring back."""

    url: str
    cookie: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Arrival:
    """Who came back: `subject` is e.g. `google:1234`, `email` is verified by the provider. `challenge`: what the page
    that began the login will show the verifier of, or None."""

    subject: str
    email: str
    name: str
    redirect: str | None
    challenge: str | None = None


@dataclass(frozen=True, slots=True)
class OAuthState:
    """`browser` is the digest of the cookie that the same browser must show; `redirect` where to go in the end;
    `challenge` what the page there will show the verifier of."""

    verifier: str = field(repr=False)
    nonce: str = field(repr=False)
    browser: str
    redirect: str | None = None
    challenge: str | None = None


class OAuthStateStore:
    """States in Redis or the database, under the hash of the random `state` in the address."""

    def __init__(self, shared: Ephemeral) -> None:
        self._shared = shared

    async def save(self, state: str, remembered: OAuthState) -> None:
        await self._shared.put(f"oauth:{digest_of(state)}", encode_text(remembered), STATE_S)

    async def take(self, state: str) -> OAuthState | None:
        """What was remembered; the second time, and after ten minutes, None."""
        raw = await self._shared.take(f"oauth:{digest_of(state)}")
        return None if raw is None else decode_as(raw, OAuthState)


@dataclass(frozen=True, slots=True)
class Finished:
    """A login that was finished at the provider and not yet exchanged for tokens. `challenge` is the digest of what
    whoever exchanges it must show."""

    user_id: str
    challenge: str


class FinishedLogins:
    """Finished logins in Redis or the database, under the hash of the code that the page is given."""

    def __init__(self, shared: Ephemeral) -> None:
        self._shared = shared

    async def save(self, user_id: str, challenge: str) -> str:
        """The code, good once within `EXCHANGE_S` seconds, for whoever shows what `challenge` is the digest of."""
        code = secrets.token_urlsafe(32)
        finished = Finished(user_id, challenge)
        await self._shared.put(f"oauth-code:{digest_of(code)}", encode_text(finished), EXCHANGE_S)
        return code

    async def take(self, code: str, shown: str | None) -> str:
        """The id of the user who logged in. Raises Unauthenticated (code invalid_code): the code is unknown, used or
        too old, or `shown` is not what the login was begun with; then it is used up too."""
        raw = await self._shared.take(f"oauth-code:{digest_of(code)}")
        finished = None if raw is None else decode_as(raw, Finished)
        if finished is None or not hmac.compare_digest(finished.challenge, digest_of(shown or "")):
            raise Unauthenticated(
                "The code is unknown, used, too old, or of a login that was begun elsewhere; log in again.",
                code="invalid_code",
            )
        return finished.user_id


class OpenIdLogin:
    """The two halves of a login at the provider."""

    def __init__(self, settings: OAuthSettings, states: OAuthStateStore, http: ClientSession, clock: Clock) -> None:
        self._settings = settings
        self._states = states
        self._http = http
        self._clock = clock
        self._known: dict[str, tuple[float, dict[str, Any]]] = {}

    async def depart(self, redirect: str | None = None, challenge: str | None = None) -> Departure:
        """Begin a login, for a page that holds the verifier of `challenge` where it has one (`digest_of`).

        Raises InvalidInput for a redirect elsewhere, Unavailable where the provider is away.
        """
        if redirect is not None and not redirect_allowed(redirect, self._settings.allowed_hosts):
            raise InvalidInput("This redirect is not at a host of OAUTH_ALLOWED_REDIRECT_HOSTS.", code="bad_redirect")
        provider = await self._discovered()
        state, verifier, nonce, cookie = (secrets.token_urlsafe(32) for _ in range(4))
        await self._states.save(state, OAuthState(verifier, nonce, digest_of(cookie), redirect, challenge))
        client = OAuth2Client(
            None,
            client_id=self._settings.client_id,
            redirect_uri=self._settings.redirect_uri,
            scope=SCOPE,
            code_challenge_method="S256",
        )
        url, _ = client.create_authorization_url(
            provider["authorization_endpoint"], state=state, code_verifier=verifier, nonce=nonce
        )
        return Departure(str(url), cookie)

    async def arrive(self, state: str, code: str, cookie: str | None) -> Arrival:
        """Finish a login. Raises Unauthenticated (code oauth_refused) for anything that does not fit."""
        remembered = await self._states.take(state)
        if remembered is None or not hmac.compare_digest(remembered.browser, digest_of(cookie or "")):
            raise _refused("The login was not begun in this browser, or took too long.")
        answer = await self._exchanged(code, remembered.verifier)
        claims = await self._verified(str(answer.get("id_token", "")), remembered.nonce)
        if claims.get("email_verified") is not True or not claims.get("email"):
            raise _refused("The provider has not verified the address of this account.")
        if not _is_subject(claims["sub"]):
            raise _refused("The provider's answer names nobody.")
        return Arrival(
            subject=f"{self._settings.name}:{claims['sub']}",
            email=str(claims["email"]),
            name=str(claims.get("name") or claims["email"]),
            redirect=remembered.redirect,
            challenge=remembered.challenge,
        )

    async def _exchanged(self, code: str, verifier: str) -> Mapping[str, Any]:
        provider = await self._discovered()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._settings.redirect_uri,
            "client_id": self._settings.client_id,
            "client_secret": self._settings.client_secret,
            "code_verifier": verifier,
        }
        return await self._asked("POST", str(provider["token_endpoint"]), form)

    async def _verified(self, token: str, nonce: str) -> Mapping[str, Any]:
        address = str((await self._discovered())["jwks_uri"])
        try:
            claims = self._signed(token, await self._cached(address))
        except _INVALID:
            # The provider may have changed its keys since they were fetched, or these may have been none.
            self._known.pop(address, None)
            keys = await self._cached(address)
            try:
                claims = self._signed(token, keys)
            except _INVALID as error:
                raise _refused("The provider's answer is not valid.") from error
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
            raise _refused("The provider's answer belongs to another login.")
        if claims.get("azp") not in (None, self._settings.client_id):
            raise _refused("The provider's answer is for another client.")
        return claims

    def _signed(self, token: str, keys: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the token says, where one of these keys signed it for this client, and it is in time."""
        claims = jwt.decode(token, KeySet.import_key_set(keys), algorithms=ALGORITHMS).claims  # type: ignore[arg-type]
        jwt.JWTClaimsRegistry(
            now=int(self._clock.now()),
            leeway=CLOCK_SKEW_S,
            iss={"essential": True, "value": self._settings.issuer},
            aud={"essential": True, "value": self._settings.client_id},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
        ).validate(claims)
        return claims

    async def _discovered(self) -> dict[str, Any]:
        url = f"{self._settings.issuer}/.well-known/openid-configuration"
        found = await self._cached(url)
        if found.get("issuer") != self._settings.issuer:
            self._known.pop(url, None)
            raise Unavailable("The login provider calls itself by another name; check its address.")
        if not all(_is_address(found.get(name)) for name in _ENDPOINTS):
            self._known.pop(url, None)
            raise Unavailable("The login provider does not say where to log in; try again.", retry_after_s=5.0)
        return found

    async def _cached(self, url: str) -> dict[str, Any]:
        """What the provider tells everybody. Raises Unavailable: nobody's login is refused by it."""
        known = self._known.get(url)
        if known is None or known[0] <= self._clock.monotonic():
            try:
                told = await self._asked("GET", url)
            except Unauthenticated as error:
                raise Unavailable("The login provider answers wrongly; try again.", retry_after_s=5.0) from error
            known = (self._clock.monotonic() + DISCOVERY_S, dict(told))
            self._known[url] = known
        return known[1]

    async def _asked(self, method: str, url: str, form: Mapping[str, str] | None = None) -> Mapping[str, Any]:
        from aiohttp import ClientError, ClientTimeout  # noqa: PLC0415  only where login with a provider is set up

        try:
            async with self._http.request(
                method, url, data=form, timeout=ClientTimeout(total=TIMEOUT_S), allow_redirects=False
            ) as answer:
                raw = await read_whole(answer.content, MAX_ANSWER_BYTES)
                if answer.status >= 500:
                    raise Unavailable("The login provider does not work now; try again.", retry_after_s=5.0)
                if answer.status != 200:
                    raise _refused("The provider refused this login.")
        except AnswerTooLarge as error:
            raise _refused("The provider's answer is too long.") from error
        except (ClientError, TimeoutError, OSError) as error:
            raise Unavailable("The login provider does not answer; try again.", retry_after_s=5.0) from error
        return _object(raw)


def _is_address(value: object) -> bool:
    return isinstance(value, str) and value.startswith(("https://", "http://"))


def _is_subject(value: object) -> bool:
    """OpenID Connect Core, section 2: at most 255 ASCII characters."""
    return isinstance(value, str) and 1 <= len(value) <= 255 and value.isascii() and value.isprintable()


def _object(raw: bytes) -> Mapping[str, Any]:
    try:
        found = decode(raw)
    except (ValueError, RecursionError) as error:
        raise _refused("The provider's answer is not JSON.") from error
    if not isinstance(found, dict):
        raise _refused("The provider's answer is not a JSON object.")
    return found


def digest_of(secret: str) -> str:
    """SHA-256 in base64url without padding: the challenge of a verifier (RFC 7636, S256), and what is kept of any
    secret here."""
    return base64.urlsafe_b64encode(hashlib.sha256(secret.encode()).digest()).rstrip(b"=").decode()


def _refused(text: str) -> Unauthenticated:
    return Unauthenticated(text, code="oauth_refused")
