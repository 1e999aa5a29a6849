"""A local OpenID Connect provider that can also misbehave."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

from aiohttp import ClientSession, web
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from aragora.clock import Clock
from aragora.identity.oauth import OAuthSettings, OAuthStateStore, OpenIdLogin
from aragora.storage.ephemeral import Ephemeral

CLIENT_ID, CLIENT_SECRET = "client-1", "client-secret-of-the-test"


class Provider:
    """Issues codes for what `consent` is shown, and ID tokens with `changes`."""

    def __init__(self) -> None:
        self.issuer = ""
        self.key = RSAKey.generate_key(2048, {"kid": "k1"})
        self.signing: Any = self.key
        self.header = {"alg": "RS256", "kid": "k1"}
        self.changes: dict[str, Any] = {}
        self.now = 0
        self.codes: dict[str, dict[str, str]] = {}
        self.down = False
        self.pieces = False  # answers come in segments
        self.padding = ""  # beside what is asked for
        self.raw: dict[str, bytes] = {}  # what a path answers instead
        self.endpoints: dict[str, Any] = {}  # what the configuration says instead

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", self._configuration)
        app.router.add_get("/jwks", self._jwks)
        app.router.add_post("/token", self._token)
        return app

    def consent(self, url: str) -> dict[str, str]:
        """What the person's browser does at the provider: the query it comes back with."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert query["client_id"] == CLIENT_ID
        assert query["code_challenge_method"] == "S256"
        code = f"code-{len(self.codes)}"
        self.codes[code] = query
        return {"code": code, "state": query["state"]}

    def forge_with(self, secret: str) -> None:
        """Sign with HS256 and a secret, as one who hopes for algorithm confusion."""
        self.signing, self.header = OctKey.import_key(secret), {"alg": "HS256", "kid": "k1"}

    async def _configuration(self, request: web.Request) -> web.StreamResponse:
        names = {"authorization_endpoint": "/authorize", "token_endpoint": "/token", "jwks_uri": "/jwks"}
        addresses = {key: self.issuer + path for key, path in names.items()}
        configuration = {"issuer": self.issuer, "padding": self.padding, **addresses, **self.endpoints}
        return await self._answered(request, configuration)

    async def _jwks(self, request: web.Request) -> web.StreamResponse:
        return await self._answered(request, {"keys": [self.key.as_dict(private=False)]})

    async def _answered(self, request: web.Request, document: Any) -> web.StreamResponse:
        if request.path in self.raw:
            return web.Response(body=self.raw[request.path], content_type="application/json")
        if not self.pieces:
            return web.json_response(document)
        answer = web.StreamResponse()
        await answer.prepare(request)
        text = json.dumps(document).encode()
        for start in range(0, len(text), 100):
            await answer.write(text[start : start + 100])
            await asyncio.sleep(0.001)  # so that each is a segment of its own
        await answer.write_eof()
        return answer

    async def _token(self, request: web.Request) -> web.StreamResponse:
        if self.down:
            return web.json_response({"error": "server_error"}, status=503)
        form = await request.post()
        asked = self.codes.pop(str(form["code"]), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(str(form["code_verifier"]).encode()).digest()).rstrip(b"=")
        right = form["client_id"] == CLIENT_ID and form["client_secret"] == CLIENT_SECRET
        if asked is None or not right or asked["code_challenge"] != challenge.decode():
            return web.json_response({"error": "invalid_grant"}, status=400)
        claims = {
            "iss": self.issuer, "aud": CLIENT_ID, "sub": "1234", "email": "Jane@Example.com", "email_verified": True,
            "name": "Jane", "nonce": asked["nonce"], "iat": self.now, "exp": self.now + 600, **self.changes,
        }  # fmt: skip
        token = jwt.encode(self.header, claims, self.signing, algorithms=["RS256", "HS256"])
        return await self._answered(request, {"access_token": "at", "token_type": "Bearer", "id_token": token})


@asynccontextmanager
async def serving(clock: Clock) -> AsyncIterator[Provider]:
    """A provider that answers on a port of this machine."""
    provider = Provider()
    runner = web.AppRunner(provider.app())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    provider.issuer = f"http://127.0.0.1:{runner.addresses[0][1]}"
    provider.now = int(clock.now())
    yield provider
    await runner.cleanup()


@asynccontextmanager
async def login_at(provider: Provider, shared: Ephemeral, clock: Clock) -> AsyncIterator[OpenIdLogin]:
    """The login of a server that is registered with the provider."""
    settings = OAuthSettings(
        client_id=CLIENT_ID,
        redirect_uri="https://aragora.example.org/api/auth/oauth/google/callback",
        client_secret=CLIENT_SECRET,
        allowed_hosts=("app.example.org",),
        issuer=provider.issuer,
    )
    async with ClientSession() as http:
        yield OpenIdLogin(settings, OAuthStateStore(shared), http, clock)
