"""Enrolling a second factor."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from aragora.identity.rbac import USER
from aragora.server.chapters.auth import UNCACHED
from aragora.server.identity_bundle import identity_of
from aragora.server.identity_schemas import Code, ConfirmedFactor, EnrolledFactor
from aragora.server.policy import caller_of, require
from aragora.server.schemas import failures
from aragora.server.views import json_response

router = APIRouter(tags=["identity"])


@router.post(
    "/api/auth/mfa/enroll",
    dependencies=[require(USER)],
    response_model=EnrolledFactor,
    responses=failures(401, 403, 404, 409, 429, 503),
)
async def enroll(request: Request) -> Response:
    """A secret for an authenticator app. It is in force once /api/auth/mfa/verify has seen a code of it."""
    enrolment = await identity_of(request).second_factor.enrol(caller_of(request))
    return json_response(enrolment, headers=UNCACHED)


@router.post(
    "/api/auth/mfa/verify",
    dependencies=[require(USER)],
    response_model=ConfirmedFactor,
    responses=failures(401, 403, 404, 409, 413, 422, 429, 503),
)
async def verify(request: Request, body: Code) -> Response:
    """Show a code: the factor comes into force (the answer has the backup codes), and this login counts as shown."""
    identity = identity_of(request)
    codes = await identity.second_factor.confirm(caller_of(request), body.code, identity.visit(request))
    return json_response({"verified": True, "backup_codes": codes}, headers=UNCACHED)
