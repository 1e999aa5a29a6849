"""The identity services and their stores over real databases."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from worlds.backends import SetClock, databases_of, postgres_settings

from aragora.config.settings import Settings
from aragora.identity.accounts import Accounts
from aragora.identity.api_keys import ApiKeyStore
from aragora.identity.authentication import Authentication, Tickets
from aragora.identity.confirmation import Confirmation
from aragora.identity.invitations import Invitations
from aragora.identity.logins import Logins
from aragora.identity.oauth import OpenIdLogin
from aragora.identity.own_keys import OwnKeys
from aragora.identity.parts import IdentityParts
from aragora.identity.passwords import Passwords
from aragora.identity.people import People
from aragora.identity.proofs import IdentityRules
from aragora.identity.rate_limits import RateLimits
from aragora.identity.registration import Registration, RegistrationRules
from aragora.identity.second_factor import SecondFactor
from aragora.identity.store.audit_log import AuditLog
from aragora.identity.store.invitations import InvitationStore
from aragora.identity.store.sessions import SessionStore
from aragora.identity.store.users import UserStore
from aragora.identity.store.workspaces import WorkspaceStore
from aragora.identity.tokens import TokenSigner
from aragora.observability.registry import Registry
from aragora.secrets.encryption import EncryptionService
from aragora.secrets.keyring import Keyring
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.ephemeral import SqlEphemeral


@pytest.fixture(params=["sqlite", "postgresql"])
async def users_database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """The context `users`, with its tables, on each backend."""
    settings = Settings(data_dir=tmp_path)
    if request.param == "postgresql":
        settings = await postgres_settings(request.getfixturevalue("postgres_url"), tmp_path)
    async with databases_of(settings, Context.USERS) as databases:
        yield databases[Context.USERS]


@pytest.fixture
async def sqlite_users(tmp_path: Path) -> AsyncIterator[Database]:
    """The context `users` in a SQLite file, for tests that are not about the database."""
    async with databases_of(Settings(data_dir=tmp_path), Context.USERS) as databases:
        yield databases[Context.USERS]


def load_beside(name: str) -> Any:
    """A module that stands beside this file: test directories are no packages."""
    if f"identity_{name}" not in sys.modules:
        spec = importlib.util.spec_from_file_location(f"identity_{name}", Path(__file__).with_name(f"{name}.py"))
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[f"identity_{name}"] = module
        spec.loader.exec_module(module)
    return sys.modules[f"identity_{name}"]


@pytest.fixture
def identity(sqlite_users: Database, clock: SetClock) -> Any:
    """The identity services over SQLite, with cheap passwords and a clock that the test moves."""
    parts = IdentityParts(
        users=UserStore(sqlite_users),
        sessions=SessionStore(sqlite_users),
        keys=ApiKeyStore(sqlite_users),
        workspaces=WorkspaceStore(sqlite_users),
        invitations=InvitationStore(sqlite_users),
        audit=AuditLog(sqlite_users, clock),
        passwords=Passwords(memory_kib=64, passes=1),
        signer=TokenSigner("test-secret-" * 6),
        shared=SqlEphemeral(sqlite_users, clock),
        limits=RateLimits(clock),
        crypto=EncryptionService(Keyring.ephemeral()),
        clock=clock,
        access_s=3600.0,
        refresh_s=30 * 86400.0,
        registration=RegistrationRules(Registration.OPEN),
        registry=Registry(),
    )
    return IdentityServices(parts, IdentityRules(production=False, local_operator=False, service_token="svc"))


class IdentityServices:
    """The services wired together, as composition does it."""

    def __init__(self, parts: IdentityParts, rules: IdentityRules) -> None:
        self.parts = parts
        self.rules = rules
        self.logins = Logins(parts)
        self.accounts = Accounts(parts, self.logins)
        self.people = People(parts)
        self.invitations = Invitations(parts, self.accounts)
        self.second_factor = SecondFactor(parts, self.logins)
        self.keys = OwnKeys(parts, None)
        self.confirmation = Confirmation(parts)
        self.tickets = Tickets(parts.shared)
        self.authentication = Authentication(parts, rules, self.tickets)

    async def who(self, bearer: str, **headers: str) -> Any:
        carried = {"authorization": f"Bearer {bearer}", "host": "localhost", **headers}
        return await self.authentication.principal(carried, address="203.0.113.9")


@pytest.fixture(scope="session")
def beside() -> Any:
    """Loads a module that stands beside this file."""
    return load_beside


@pytest.fixture
async def provider(beside: Any, clock: SetClock) -> AsyncIterator[Any]:
    """An OpenID Connect provider on this machine, which the test can make misbehave."""
    async with beside("oidc").serving(clock) as made:
        yield made


@pytest.fixture
async def login(provider: Any, beside: Any, identity: Any, clock: SetClock) -> AsyncIterator[OpenIdLogin]:
    """The login with that provider."""
    async with beside("oidc").login_at(provider, identity.parts.shared, clock) as made:
        yield made
