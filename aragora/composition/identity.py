"""The features `identity`, `oauth`, `people` and `administration`, as the settings say: for a replica, and the parts
for the operator's commands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.middleware import Middleware

from aragora.clock import Clock
from aragora.composition.identity_rules import identity_rules
from aragora.config.settings import Settings
from aragora.identity.accounts import Accounts
from aragora.identity.api_keys import ApiKeyStore
from aragora.identity.authentication import Authentication, Tickets
from aragora.identity.confirmation import Confirmation
from aragora.identity.invitations import Invitations
from aragora.identity.limit_counters import RowCounter
from aragora.identity.logins import Logins
from aragora.identity.oauth import FinishedLogins, OAuthSettings, OAuthStateStore, OpenIdLogin
from aragora.identity.own_keys import DAY_S, OwnKeys
from aragora.identity.parts import IdentityParts
from aragora.identity.passwords import Passwords
from aragora.identity.people import People
from aragora.identity.rate_limits import RateLimits
from aragora.identity.registration import RegistrationRules
from aragora.identity.second_factor import SecondFactor
from aragora.identity.store.audit_log import AuditLog
from aragora.identity.store.invitations import InvitationStore
from aragora.identity.store.sessions import SessionStore
from aragora.identity.store.users import UserStore
from aragora.identity.store.workspaces import WorkspaceStore
from aragora.identity.tokens import TokenSigner
from aragora.identity.workspace_book import WorkspaceBook
from aragora.identity.writers import Writers
from aragora.observability.registry import REGISTRY
from aragora.secrets.encryption import service_of
from aragora.secrets.keyring import local_jwt_secret
from aragora.server.authentication import Authenticator, TrustedHops
from aragora.server.chapters.administration import AdministrationPorts, administration
from aragora.server.chapters.credentials import CredentialPorts, credentials
from aragora.server.chapters.identity import IdentityPorts, identity
from aragora.server.chapters.oauth import OAuthPorts, oauth
from aragora.server.chapters.people import PeoplePorts, people
from aragora.server.chapters.workspaces import WorkspacePorts, workspaces
from aragora.server.error_notes import ErrorNotes
from aragora.server.feature import Closer, Feature, Layer, Stage
from aragora.server.middleware.outcomes import ErrorNotesMiddleware
from aragora.server.middleware.rate_limit import RateLimitMiddleware
from aragora.server.replica_figures import ReplicaFigures
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.ephemeral import Ephemeral, SqlEphemeral
from aragora.storage.ephemeral_redis import FallbackEphemeral, RedisEphemeral, connect

if TYPE_CHECKING:
    from aiohttp import ClientSession


@dataclass(frozen=True)
class Identity:
    """What identity gives a replica: its feature, that of credentials, the login with Google, the management of people,
    the authenticator of every route, who may write in debates, and the workspaces."""

    feature: Feature[IdentityPorts]
    credentials: Feature[CredentialPorts]
    oauth: Feature[OAuthPorts]
    people: Feature[PeoplePorts]
    workspaces: Feature[WorkspacePorts]
    authenticator: Authenticator
    writers: Writers


def open_identity(settings: Settings, *, bind_host: str, hops: TrustedHops, clock: Clock) -> Identity:
    """Identity as the settings say; connects when first used. `hops` are those whose word about a client's address
    counts. Raises Misconfigured."""
    parts, closers = open_parts(settings, clock)
    logins, tickets, rules = Logins(parts), Tickets(parts.shared), identity_rules(settings, bind_host)
    authenticator = Authenticator(
        Authentication(parts, rules, tickets),
        parts.limits,
        REGISTRY,
        hops,
        production=settings.production,
    )
    ports = IdentityPorts(
        parts=parts,
        logins=logins,
        accounts=Accounts(parts, logins),
        second_factor=SecondFactor(parts, logins),
        tickets=tickets,
    )
    rate_limit = Middleware(
        RateLimitMiddleware, limits=parts.limits, addresses=authenticator, spare_loopback=not settings.production
    )
    feature = Feature(
        "identity",
        ports,
        chapters=(identity,),
        layers=(Layer(Stage.LIMITS, rate_limit),),
        closers=tuple(closers),
    )
    changing = CredentialPorts(
        accounts=ports.accounts,
        keys=OwnKeys(parts, settings.api_key_max_days * DAY_S or None),
        second_factor=ports.second_factor,
        confirmation=Confirmation(parts),
    )
    return Identity(
        feature,
        Feature("credentials", changing, chapters=(credentials,)),
        _oauth_feature(settings, ports, clock),
        Feature("people", open_people(parts, ports.accounts), chapters=(people,)),
        Feature("workspaces", WorkspacePorts(WorkspaceBook(parts)), chapters=(workspaces,)),
        authenticator,
        Writers(parts.users, rules),
    )


def open_parts(settings: Settings, clock: Clock) -> tuple[IdentityParts, list[Closer]]:
    """The stores and tools of identity, and what closes them; connects when first used. Raises Misconfigured."""
    database = Database.open(settings, Context.USERS)
    closers: list[Closer] = [database.aclose]
    redis_url = settings.redis_url.get_secret_value() if settings.redis_url else None
    rows = SqlEphemeral(database, clock)
    shared: Ephemeral = rows
    cache: Ephemeral | None = None
    if redis_url is not None:
        client = connect(redis_url)
        closers.append(client.aclose)
        shared = cache = FallbackEphemeral(RedisEphemeral(client), rows, clock)
    limits = RateLimits(clock, redis_url, RowCounter(rows, clock))
    closers.append(limits.aclose)
    secret = settings.jwt_secret.get_secret_value() if settings.jwt_secret else local_jwt_secret(settings.data_dir)
    parts = IdentityParts(
        users=UserStore(database),
        sessions=SessionStore(database, cache),
        keys=ApiKeyStore(database),
        invitations=InvitationStore(database),
        workspaces=WorkspaceStore(database),
        audit=AuditLog(database, clock),
        passwords=Passwords(),
        signer=TokenSigner(secret),
        shared=shared,
        limits=limits,
        crypto=service_of(settings),
        clock=clock,
        access_s=settings.jwt_expiry_hours * 3600.0,
        refresh_s=settings.refresh_token_expiry_days * 86400.0,
        registration=RegistrationRules.of(
            settings.registration, settings.registration_domains, production=settings.production
        ),
        production=settings.production,
    )
    return parts, closers


def open_people(parts: IdentityParts, accounts: Accounts) -> PeoplePorts:
    """The life cycle of accounts over these parts: for the routes and for the operator's command."""
    return PeoplePorts(People(parts), Invitations(parts, accounts))


def administration_of(
    identity: Identity, notes: ErrorNotes, figures: ReplicaFigures, clock: Clock
) -> Feature[AdministrationPorts]:
    """What administrators see and do. `notes` get this replica's failures, `figures` are those of all replicas."""
    ports = identity.feature.ports
    return Feature(
        "administration",
        AdministrationPorts(ports.parts.audit, ports.accounts, ports.parts.limits, figures),
        chapters=(administration,),
        layers=(Layer(Stage.NOTES, Middleware(ErrorNotesMiddleware, notes=notes, clock=clock)),),
    )


def _oauth_feature(settings: Settings, identity: IdentityPorts, clock: Clock) -> Feature[OAuthPorts]:
    google = _google(settings, identity.parts.shared, clock)
    ports = OAuthPorts(
        parts=identity.parts,
        accounts=identity.accounts,
        logins=identity.logins,
        finished=FinishedLogins(identity.parts.shared),
        login=None if google is None else google.login,
        success_url=settings.oauth_success_url,
        error_url=settings.oauth_error_url,
    )
    return Feature("oauth", ports, chapters=(oauth,), closers=() if google is None else (google.aclose,))


class _Google:
    """The login with Google. Its HTTP client is made with first use."""

    def __init__(self, client: OAuthSettings, states: OAuthStateStore, clock: Clock) -> None:
        self._client = client
        self._states = states
        self._clock = clock
        self._http: ClientSession | None = None
        self._login: OpenIdLogin | None = None

    async def login(self) -> OpenIdLogin:
        if self._login is None:
            from aiohttp import ClientSession  # noqa: PLC0415  only where login with a provider is set up

            self._http = ClientSession()
            self._login = OpenIdLogin(self._client, self._states, self._http, self._clock)
        return self._login

    async def aclose(self) -> None:
        if self._http is not None:
            await self._http.close()


def _google(settings: Settings, shared: Ephemeral, clock: Clock) -> _Google | None:
    """The login with Google, or None where it is not set up."""
    secret = settings.google_oauth_client_secret
    if settings.google_oauth_client_id is None or secret is None or settings.google_oauth_redirect_uri is None:
        return None
    client = OAuthSettings(
        client_id=settings.google_oauth_client_id,
        redirect_uri=settings.google_oauth_redirect_uri,
        client_secret=secret.get_secret_value(),
        allowed_hosts=settings.oauth_allowed_redirect_hosts,
    )
    return _Google(client, OAuthStateStore(shared), clock)
