"""A running server that demands a login, its accounts, and every secret that came up while it ran."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

from worlds.figures import Figures, figures
from worlds.live_server import LiveServer, Response


@dataclass
class Guarded:
    """A server with all its secrets set, and every secret that came up while it ran."""

    server: LiveServer
    tokens: dict[str, str]
    found: set[str] = field(default_factory=set)

    @property
    def operator(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens['ARAGORA_API_TOKEN']}"}

    def secret(self, text: str) -> str:
        self.found.add(text)
        return text

    def account(self, name: str) -> Account:
        """A new account, logged in."""
        who = {"email": f"{name}@example.com", "password": self.secret(secrets.token_urlsafe(16))}
        made = self.server.request("POST", "/api/auth/register", who)
        assert made.status == 201, made.body
        account = Account(self, made.json["user_id"], made.json["org_id"], who)
        account.login()
        return account

    def page(self) -> Figures:
        return figures(self.server.request("GET", "/api/metrics").body)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Response:
        """As the operator, with the API token."""
        return self.server.request(method, path, body, **self.operator, **headers)


@dataclass
class Account:
    """A person; the tokens are those of the latest login or refresh."""

    guarded: Guarded
    user_id: str
    org_id: str
    who: dict[str, str]
    access: str = ""
    refresh: str = ""

    def login(self) -> None:
        self._take(self.guarded.server.request("POST", "/api/auth/login", self.who))

    def renew(self) -> None:
        self._take(self.guarded.server.request("POST", "/api/auth/refresh", {"refresh_token": self.refresh}))

    def ask(self, method: str, path: str, body: Any = None) -> Response:
        return self.guarded.server.request(method, path, body, Authorization=f"Bearer {self.access}")

    def ticket(self) -> str:
        return self.guarded.secret(self.ask("POST", "/api/auth/ws-ticket").json["ticket"])

    def _take(self, answer: Response) -> None:
        assert answer.status == 200, answer.body
        self.access = self.guarded.secret(answer.json["access_token"])
        self.refresh = self.guarded.secret(answer.json["refresh_token"])
