"""What a person shows itself with, changed by itself: API keys, second factor, password, and the confirmation that a
change needs (aragora.identity.confirmation)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Body, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from aragora.errors import InvalidInput
from aragora.identity.accounts import Accounts
from aragora.identity.api_keys import PREFIX, ApiKey
from aragora.identity.confirmation import Confirmation
from aragora.identity.own_keys import DAY_S, OwnKeys
from aragora.identity.rbac import USER
from aragora.identity.scopes import DEFAULT
from aragora.identity.second_factor import SecondFactor
from aragora.server.chapter import Call, Chapter
from aragora.server.schemas import FactorCode, Name, Password, Secretive, Workspace
from aragora.server.views import UNCACHED, json_response


@dataclass(frozen=True, slots=True)
class CredentialPorts:
    """What these routes call."""

    accounts: Accounts
    keys: OwnKeys
    second_factor: SecondFactor
    confirmation: Confirmation


credentials: Chapter[CredentialPorts] = Chapter("identity")

MAX_LIFETIME_DAYS: Final = 3650
MAX_SCOPES: Final = 50


class ChangePassword(Secretive):
    """`revoke_keys` true: for a password that somebody else may know."""

    current: Password
    new: Password
    revoke_keys: bool = False


class Confirm(Secretive):
    """Either the `password`, or a `code` where the account has a second factor."""

    password: Password | None = None
    code: FactorCode | None = None


class NewApiKey(Secretive):
    """`expires_in_days` unsaid: 90; null: until it is revoked, where ARAGORA_API_KEY_MAX_DAYS allows that. `scopes`:
    names of permissions, or `standard`, `read` and `debates`. `workspace`: the one to which the key is held; unsaid,
    it may use those of its owner, and means `default` where a request names none."""

    name: Name = "default"
    expires_in_days: Annotated[int, Field(ge=1, le=MAX_LIFETIME_DAYS)] | None = None
    scopes: Annotated[tuple[Name, ...], Field(max_length=MAX_SCOPES)] = DEFAULT
    workspace: Workspace | None = None


class Code(Secretive):
    code: FactorCode


class ListedApiKey(BaseModel):
    """`last_used_at` is true to the minute."""

    key_id: str
    prefix: str
    name: str
    scopes: list[str]
    workspace: Annotated[str | None, Field(description="null: all that its owner may use")]
    created_at: float
    expires_at: float | None
    last_used_at: float | None


class ApiKeyList(BaseModel):
    keys: list[ListedApiKey]


class CreatedApiKey(ListedApiKey):
    api_key: Annotated[str, Field(description="shown this once, stored as a hash")]


class Revoked(BaseModel):
    revoked: int


class EnrolledFactor(BaseModel):
    secret: str
    otpauth_uri: str


class ConfirmedFactor(BaseModel):
    verified: bool
    backup_codes: Annotated[list[str], Field(description="shown this once; empty where the factor was in force before")]


class BackupCodes(BaseModel):
    backup_codes: Annotated[list[str], Field(description="shown this once; all earlier ones are void")]


@credentials.post("/api/auth/confirm", needs=USER, status=204, refuses=(403, 404, 409))
async def confirm(call: Call[CredentialPorts], body: Confirm) -> Response:
    """Show the password, or a code of the second factor, in this login: for ten minutes it may change credentials."""
    if (body.password is None) == (body.code is None):
        raise InvalidInput("Send either password or code.")
    if body.password is not None:
        await call.ports.confirmation.by_password(call.who, body.password, call.visit)
    else:
        await call.ports.second_factor.show(call.who, body.code or "", call.visit)
    return Response(status_code=204)


@credentials.post("/api/auth/password", needs=USER, status=204, refuses=(403, 404))
async def change_password(call: Call[CredentialPorts], body: ChangePassword) -> Response:
    """Change the own password; all other logins end, and with `revoke_keys` all API keys."""
    await call.ports.accounts.change_password(
        call.who, body.current, body.new, call.visit, revoke_keys=body.revoke_keys
    )
    return Response(status_code=204)


@credentials.post("/api/auth/api-key", needs=USER, gives=CreatedApiKey, status=201, refuses=(403, 404, 409))
async def create_api_key(call: Call[CredentialPorts], body: Annotated[NewApiKey | None, Body()] = None) -> Response:
    """A new API key. Its text is in this answer only."""
    wanted, keys = body or NewApiKey(), call.ports.keys
    lifetime_s: float | None = keys.usual_s
    if "expires_in_days" in wanted.model_fields_set:
        lifetime_s = None if wanted.expires_in_days is None else wanted.expires_in_days * DAY_S
    key, text = await keys.create(
        call.who, wanted.name, call.visit, lifetime_s=lifetime_s, wanted=wanted.scopes, workspace=wanted.workspace
    )
    view = CreatedApiKey(**_listed(key).model_dump(), api_key=text)
    return json_response(view.model_dump(), 201, UNCACHED)


@credentials.get("/api/auth/api-key", needs=USER, gives=ApiKeyList, refuses=(403,))
async def list_api_keys(call: Call[CredentialPorts]) -> Response:
    """The own keys that work, newest first."""
    view = ApiKeyList(keys=[_listed(key) for key in await call.ports.keys.live(call.who)])
    return json_response(view.model_dump(), headers=UNCACHED)


@credentials.delete("/api/auth/api-key", needs=USER, gives=Revoked, refuses=(403,))
async def revoke_api_key(
    call: Call[CredentialPorts], key_id: Annotated[str | None, Query(pattern="^[0-9a-f]{16}$")] = None
) -> Response:
    """Revoke one of the own keys, or all."""
    return json_response({"revoked": await call.ports.keys.revoke(call.who, call.visit, key_id)})


@credentials.post("/api/auth/mfa/enroll", needs=USER, gives=EnrolledFactor, refuses=(403, 404, 409))
async def enroll(call: Call[CredentialPorts]) -> Response:
    """A secret for an authenticator app. It is in force once /api/auth/mfa/verify has seen a code of it."""
    enrolment = await call.ports.second_factor.enrol(call.who, call.visit)
    return json_response(enrolment, headers=UNCACHED)


@credentials.post("/api/auth/mfa/verify", needs=USER, gives=ConfirmedFactor, refuses=(403, 404, 409))
async def verify(call: Call[CredentialPorts], body: Code) -> Response:
    """Show a code: the factor comes into force (the answer has the backup codes), and this login counts as shown."""
    codes = await call.ports.second_factor.confirm(call.who, body.code, call.visit)
    return json_response({"verified": True, "backup_codes": codes}, headers=UNCACHED)


@credentials.post("/api/auth/mfa/backup-codes", needs=USER, gives=BackupCodes, refuses=(403, 404, 409))
async def renew_backup_codes(call: Call[CredentialPorts]) -> Response:
    """Ten fresh backup codes; the old ones no longer work."""
    codes = await call.ports.second_factor.renew_backup_codes(call.who, call.visit)
    return json_response({"backup_codes": codes}, headers=UNCACHED)


@credentials.post("/api/auth/mfa/disable", needs=USER, status=204, refuses=(403, 404, 409))
async def disable(call: Call[CredentialPorts]) -> Response:
    """Give up the second factor and its backup codes."""
    await call.ports.second_factor.disable(call.who, call.visit)
    return Response(status_code=204)


def _listed(key: ApiKey) -> ListedApiKey:
    return ListedApiKey(
        key_id=key.key_id,
        prefix=f"{PREFIX}{key.key_id}",
        name=key.name,
        scopes=list(key.scopes),
        workspace=key.workspace,
        created_at=key.created_at,
        expires_at=key.expires_at,
        last_used_at=key.last_used_at,
    )
