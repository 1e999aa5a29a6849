"""The outside services an organisation is connected to. What is secret goes in and never comes back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Path, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.responses import Response

from aragora.encoding import encode
from aragora.errors import Conflict, NotFound
from aragora.identity.rbac import INTEGRATIONS_MANAGE
from aragora.integrations.store_metrics import InstrumentedIntegrationStore
from aragora.secrets.fields import STAND_IN, redacted, secrets_of
from aragora.server.chapter import Call, Chapter
from aragora.server.ports import AuditTrail
from aragora.server.views import UNCACHED, json_response
from aragora.texts import check_all, depth_of


@dataclass(frozen=True, slots=True)
class IntegrationPorts:
    """What these routes call. `store` opens the store with first use."""

    store: Callable[[], Awaitable[InstrumentedIntegrationStore]]
    audit: AuditTrail


integration: Chapter[IntegrationPorts] = Chapter("integrations")

MAX_INTEGRATIONS: Final = 200  # of one organisation
MAX_SETTINGS_BYTES: Final = 65_536
MAX_DEPTH: Final = 16
_OURS: Final = frozenset({"type", "user_id", "org_id"})

_Type = Annotated[str, Path(pattern="^[a-z][a-z0-9_-]{0,63}$", description="e.g. slack")]
_UserId = Annotated[str | None, Query(pattern="^[A-Za-z0-9._:@-]{1,128}$", description="left out: the caller's own")]


def _keepable(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings that can be kept, and would come out as they went in."""
    if taken := _OURS & settings.keys():
        raise ValueError(f"the server sets {', '.join(sorted(taken))}; leave it out")
    if depth_of(settings, MAX_DEPTH) > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
    check_all(settings, "settings")
    try:
        size = len(encode(settings))
    except (ValueError, TypeError, OverflowError):
        raise ValueError("a value cannot be written as JSON") from None
    if size > MAX_SETTINGS_BYTES:
        raise ValueError(f"more than {MAX_SETTINGS_BYTES} bytes")
    if any(value == STAND_IN for _, value in secrets_of(settings)):
        raise ValueError(f"send each secret itself: {STAND_IN} only stands for it in answers")
    return settings


class SaveIntegration(BaseModel):
    """How a service is connected, e.g. {"settings": {"channel": "#ops", "bot_token": "..."}}."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    settings: Annotated[dict[str, Any], Field(min_length=1, max_length=100), AfterValidator(_keepable)]


class Integration(BaseModel):
    """`settings` without secrets: in their places stands that they are set."""

    type: str
    user_id: str
    settings: dict[str, Any]


class UnreadableIntegration(BaseModel):
    """What is stored of it can be neither decrypted nor understood. Save it anew or delete it, by type and user."""

    id: str
    type: str
    user_id: str
    reason: str


class IntegrationList(BaseModel):
    """`unreadable` is empty unless a record was damaged or its key is missing."""

    integrations: list[Integration]
    unreadable: list[UnreadableIntegration] = []


@integration.get("/api/integrations", needs=INTEGRATIONS_MANAGE, gives=IntegrationList)
async def integrations(call: Call[IntegrationPorts]) -> Response:
    """All integrations of the organisation. Of a secret it says only that it is set, of one that cannot be read
    why."""
    store = await call.ports.store()
    found = await store.survey(org_id=call.who.org_id)
    unreadable = [
        {"id": one.record_id, "type": one.kind, "user_id": one.owner, "reason": one.reason} for one in found.damaged
    ]
    shown = [_shown(config) for config in found.values]
    return json_response({"integrations": shown, "unreadable": unreadable}, headers=UNCACHED)


@integration.put(
    "/api/integrations/{type}", needs=INTEGRATIONS_MANAGE, gives=Integration, refuses=(409,), missing=False
)
async def save(
    call: Call[IntegrationPorts],
    body: SaveIntegration,
    type: _Type,  # noqa: A002  # the contract's name of the parameter
) -> Response:
    """Connect a service, or replace how it is connected. A text rests encrypted and is never shown, unless its
    name is known to be harmless (`channel`, `region`, `user_id`) and it does not look like a credential."""
    who = call.who
    store = await call.ports.store()
    found = await store.survey(org_id=who.org_id)
    others = {(one["type"], one["user_id"]) for one in found.values} | {(one.kind, one.owner) for one in found.damaged}
    if len(others - {(type, who.user_id)}) >= MAX_INTEGRATIONS:
        raise Conflict(f"The organisation has {MAX_INTEGRATIONS} integrations already; delete one first.")
    config = {**body.settings, "type": type, "user_id": who.user_id, "org_id": who.org_id}
    await call.ports.audit.note(call.visit, "integration.save", who.actor, who.org_id, subject=who.user_id, target=type)
    await store.save(config)
    return json_response(_shown(config), headers=UNCACHED)


@integration.delete("/api/integrations/{type}", needs=INTEGRATIONS_MANAGE, status=204)
async def delete(
    call: Call[IntegrationPorts],
    type: _Type,  # noqa: A002  # the contract's name of the parameter
    user_id: _UserId = None,
) -> Response:
    """Disconnect a service: the caller's own connection, or that of another user of the organisation."""
    who = call.who
    owner = user_id or who.user_id
    await call.ports.audit.note(
        call.visit, "integration.delete", who.actor, who.org_id,
        subject=who.user_id, target=type, owner=owner,
    )  # fmt: skip
    if not await (await call.ports.store()).delete(type, owner, who.org_id):
        raise NotFound(f"This user has no {type} integration; list them with GET /api/integrations.")
    return Response(status_code=204)


def _shown(config: dict[str, Any]) -> dict[str, Any]:
    """What may be seen of an integration."""
    settings = {name: value for name, value in config.items() if name not in ("type", "user_id", "org_id")}
    return {"type": config["type"], "user_id": config["user_id"], "settings": redacted(settings)}
