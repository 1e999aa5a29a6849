"""The people of an organisation: who they are, disabling and enabling them, their roles, logins, keys and second
factors, and invitations. The rules are those of `aragora.identity.people` and `aragora.identity.invitations`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Path, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from aragora.identity.invitations import Invitations
from aragora.identity.people import People, Person
from aragora.identity.rbac import ADMIN, PUBLIC, USERS_MANAGE
from aragora.identity.store.invitations import Invitation
from aragora.identity.store.users import User
from aragora.identity.workspaces import MAX_NAMED
from aragora.scope import DEFAULT_WORKSPACE
from aragora.server.chapter import Call, Chapter
from aragora.server.schemas import Account, Email, GrantedWorkspace, Name, Password, Secretive, Token
from aragora.server.views import UNCACHED, json_response


@dataclass(frozen=True, slots=True)
class PeoplePorts:
    """What these routes call."""

    people: People
    invitations: Invitations


people: Chapter[PeoplePorts] = Chapter("people")

# --- What goes in and out

_UserId = Annotated[str, Path(pattern="^[A-Za-z0-9._:@-]{1,128}$")]
_InvitationId = Annotated[str, Path(pattern="^inv_[0-9a-f]{32}$")]
_Limit = Annotated[int, Query(ge=1, le=500)]
_After = Annotated[str, Query(pattern="^[A-Za-z0-9._:@-]{0,128}$")]
_Roles = Annotated[list[Name], Field(min_length=1, max_length=10)]
_Workspaces = Annotated[
    list[GrantedWorkspace],
    Field(
        min_length=1, max_length=MAX_NAMED, description="where the roles hold; `*` is everywhere in the organisation"
    ),
]


class ChangeUser(Secretive):
    """What is to change: new roles, the workspaces that they are for, disabled or enabled."""

    roles: _Roles | None = None
    workspaces: _Workspaces | None = None
    disabled: bool | None = None


class Invite(Secretive):
    """An address, and the roles that its account will have in the caller's organisation, in these workspaces."""

    email: Email
    roles: _Roles
    workspaces: _Workspaces = [DEFAULT_WORKSPACE]  # noqa: RUF012  # pydantic copies it for each request


class AcceptInvitation(Secretive):
    token: Token
    password: Password
    name: Name = "-"


class UserView(Account):
    workspaces: Annotated[list[str], Field(description="those given by name; owners and administrators have all")]
    disabled: bool
    mfa_enabled: bool
    created_at: float


class UserPage(BaseModel):
    users: list[UserView]
    next_after: Annotated[str | None, Field(description="pass as `after` to read on; null on the last page")]


class UserDetail(UserView):
    sessions: Annotated[int, Field(description="open logins")]
    api_keys: Annotated[int, Field(description="keys that are in force")]
    last_owner: bool


class Ended(BaseModel):
    ended: int


class KeysRevoked(BaseModel):
    revoked: int


class FactorReset(BaseModel):
    reset: Annotated[bool, Field(description="whether there was a second factor")]


class InvitationView(BaseModel):
    invitation_id: str
    email: str
    org_id: str
    roles: list[str]
    workspaces: list[str]
    invited_by: str
    created_at: float
    expires_at: float


class MadeInvitation(InvitationView):
    token: Annotated[str, Field(description="shown this once; give it to the person who is invited")]


class InvitationList(BaseModel):
    invitations: list[InvitationView]


# --- Routes


@people.get("/api/users", needs=USERS_MANAGE, gives=UserPage)
async def users(call: Call[PeoplePorts], limit: _Limit = 100, after: _After = "") -> Response:
    """The accounts of the organisation, in the order of their ids; all for the operator of the installation."""
    found = await call.ports.people.page(call.who, limit=limit, after=after)
    following = found[-1].user_id if len(found) == limit else None
    return json_response({"users": [user_view(each) for each in found], "next_after": following}, headers=UNCACHED)


@people.get("/api/users/{user_id}", needs=USERS_MANAGE, gives=UserDetail)
async def user(call: Call[PeoplePorts], user_id: _UserId) -> Response:
    """One account, with how many logins and keys it has open."""
    return json_response(person_view(await call.ports.people.get(call.who, user_id)), headers=UNCACHED)


@people.patch("/api/users/{user_id}", needs=USERS_MANAGE, gives=UserView, refuses=(409,))
async def change(call: Call[PeoplePorts], user_id: _UserId, body: ChangeUser) -> Response:
    """New roles or workspaces, or disable and enable. It holds at once, for open logins, keys, WebSockets and event
    streams too."""
    changed = await call.ports.people.change(
        call.who, user_id, call.visit, roles=body.roles, disabled=body.disabled, workspaces=body.workspaces
    )
    return json_response(user_view(changed), headers=UNCACHED)


@people.post("/api/admin/users/{user_id}/disable", needs=ADMIN, gives=UserView, refuses=(409,))
async def disable(call: Call[PeoplePorts], user_id: _UserId) -> Response:
    """Disable an account of any organisation. It holds at once, everywhere: its logins end, its keys count no longer,
    what it holds open closes."""
    return json_response(user_view(await call.ports.people.disable(call.who, user_id, call.visit)), headers=UNCACHED)


@people.post("/api/users/{user_id}/sessions/revoke", needs=USERS_MANAGE, gives=Ended)
async def end_sessions(call: Call[PeoplePorts], user_id: _UserId) -> Response:
    """End all logins of the account, also those in which it acts as another."""
    return json_response({"ended": await call.ports.people.end_sessions(call.who, user_id, call.visit)})


@people.post("/api/users/{user_id}/api-keys/revoke", needs=USERS_MANAGE, gives=KeysRevoked)
async def revoke_keys(call: Call[PeoplePorts], user_id: _UserId) -> Response:
    """Revoke all API keys of the account, for good."""
    return json_response({"revoked": await call.ports.people.revoke_keys(call.who, user_id, call.visit)})


@people.post("/api/users/{user_id}/mfa/reset", needs=USERS_MANAGE, gives=FactorReset)
async def reset_factor(call: Call[PeoplePorts], user_id: _UserId) -> Response:
    """Take away the second factor of somebody who lost it; all their logins end."""
    return json_response({"reset": await call.ports.people.reset_factor(call.who, user_id, call.visit)})


@people.post("/api/invitations", needs=USERS_MANAGE, gives=MadeInvitation, status=201, refuses=(409,))
async def invite(call: Call[PeoplePorts], body: Invite) -> Response:
    """Invite an address to the own organisation. The token is in this answer only and works once, for 7 days."""
    invitation, token = await call.ports.invitations.invite(
        call.who, body.email, body.roles, call.visit, workspaces=body.workspaces
    )
    return json_response({**invitation_view(invitation), "token": token}, 201, UNCACHED)


@people.get("/api/invitations", needs=USERS_MANAGE, gives=InvitationList)
async def invitations(call: Call[PeoplePorts]) -> Response:
    """The invitations to the own organisation that can still be accepted."""
    found = await call.ports.invitations.open_ones(call.who)
    return json_response({"invitations": [invitation_view(each) for each in found]}, headers=UNCACHED)


@people.delete("/api/invitations/{invitation_id}", needs=USERS_MANAGE, status=204)
async def revoke_invitation(call: Call[PeoplePorts], invitation_id: _InvitationId) -> Response:
    """End an invitation before it is accepted."""
    await call.ports.invitations.revoke(call.who, invitation_id, call.visit)
    return Response(status_code=204)


@people.post("/api/invitations/accept", needs=PUBLIC, gives=Account, status=201, refuses=(401, 403, 409, 429, 503))
async def accept(call: Call[PeoplePorts], body: AcceptInvitation) -> Response:
    """Make the account that an invitation is for; log in with its address and this password."""
    user = await call.ports.invitations.accept(body.token, body.password, body.name, call.visit)
    return json_response(account_view(user), 201, UNCACHED)


# --- Views


def account_view(user: User) -> dict[str, object]:
    return {
        "user_id": user.user_id,
        "email": user.email,
        "name": user.name,
        "org_id": user.org_id,
        "roles": list(user.roles),
    }


def user_view(user: User) -> dict[str, object]:
    more = {"disabled": user.disabled, "mfa_enabled": user.mfa_enabled, "created_at": user.created_at}
    return {**account_view(user), "workspaces": list(user.workspaces), **more}


def person_view(person: Person) -> dict[str, object]:
    more = {"sessions": person.sessions, "api_keys": person.api_keys, "last_owner": person.last_owner}
    return {**user_view(person.user), **more}


def invitation_view(invitation: Invitation) -> dict[str, object]:
    return {name: getattr(invitation, name) for name in InvitationView.model_fields}
