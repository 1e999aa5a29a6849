"""The outside services an organisation is connected to. What is secret goes in and never comes back."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from aragora.errors import Conflict, NotFound
from aragora.identity.rbac import INTEGRATIONS_MANAGE
from aragora.secrets.fields import redacted
from aragora.server.chapters.auth import UNCACHED
from aragora.server.identity_bundle import identity_of
from aragora.server.integration_schemas import Integration, IntegrationList, SaveIntegration
from aragora.server.policy import caller_of, require
from aragora.server.schemas import failures
from aragora.server.views import json_response

router = APIRouter(tags=["integrations"])

MAX_INTEGRATIONS: Final = 200  # of one organisation

_Type = Annotated[str, Path(pattern="^[a-z][a-z0-9_-]{0,63}$", description="e.g. slack")]
_UserId = Annotated[str | None, Query(pattern="^[A-Za-z0-9._:@-]{1,128}$", description="left out: the caller's own")]


@router.get(
    "/api/integrations",
    dependencies=[require(INTEGRATIONS_MANAGE)],
    response_model=IntegrationList,
    responses=failures(401, 403, 429, 503),
)
async def integrations(request: Request) -> Response:
    """All integrations of the organisation. Of a secret it says only that it is set."""
    store = await identity_of(request).integrations.store()
    found = await store.list(org_id=caller_of(request).org_id)
    return json_response({"integrations": [_shown(config) for config in found]}, headers=UNCACHED)


@router.put(
    "/api/integrations/{type}",
    dependencies=[require(INTEGRATIONS_MANAGE)],
    response_model=Integration,
    responses=failures(401, 403, 409, 413, 422, 429, 503),
)
async def save(
    request: Request,
    body: SaveIntegration,
    type: _Type,  # noqa: A002  # the contract's name of the parameter
) -> Response:
    """Connect a service, or replace how it is connected. Fields named like secrets, and all under `secrets`, rest
    encrypted and are never shown."""
    identity, who = identity_of(request), caller_of(request)
    store = await identity.integrations.store()
    others = [
        one for one in await store.list(org_id=who.org_id) if (one["type"], one["user_id"]) != (type, who.user_id)
    ]
    if len(others) >= MAX_INTEGRATIONS:
        raise Conflict(f"The organisation has {MAX_INTEGRATIONS} integrations already; delete one first.")
    config = {**body.settings, "type": type, "user_id": who.user_id, "org_id": who.org_id}
    await identity.parts.note(
        identity.visit(request), "integration.save", who.actor, who.org_id, subject=who.user_id, target=type
    )
    await store.save(config)
    return json_response(_shown(config), headers=UNCACHED)


@router.delete(
    "/api/integrations/{type}",
    status_code=204,
    dependencies=[require(INTEGRATIONS_MANAGE)],
    responses=failures(401, 403, 404, 422, 429, 503),
)
async def delete(
    request: Request,
    type: _Type,  # noqa: A002  # the contract's name of the parameter
    user_id: _UserId = None,
) -> Response:
    """Disconnect a service: the caller's own connection, or that of another user of the organisation."""
    identity, who = identity_of(request), caller_of(request)
    owner = user_id or who.user_id
    await identity.parts.note(
        identity.visit(request), "integration.delete", who.actor, who.org_id,
        subject=who.user_id, target=type, owner=owner,
    )  # fmt: skip
    if not await (await identity.integrations.store()).delete(type, owner, who.org_id):
        raise NotFound(f"This user has no {type} integration; list them with GET /api/integrations.")
    return Response(status_code=204)


def _shown(config: dict[str, Any]) -> dict[str, Any]:
    """What may be seen of an integration."""
    settings = {name: value for name, value in config.items() if name not in ("type", "user_id", "org_id")}
    return {"type": config["type"], "user_id": config["user_id"], "settings": redacted(settings)}
