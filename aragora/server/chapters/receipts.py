"""Receipts of decisions: reading them in three forms, and checking any of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Body
from pydantic import BaseModel
from starlette.responses import Response

from aragora.identity.rbac import DEBATES_READ, PUBLIC
from aragora.receipts.verifying import NotAReceipt, parse, refusal
from aragora.server.chapter import Call, Chapter
from aragora.server.ports import DebateReader, ReceiptVerifier
from aragora.server.receipt_forms import Form, receipt_response
from aragora.server.schemas import DebateId
from aragora.server.views import json_response


@dataclass(frozen=True, slots=True)
class ReceiptPorts:
    """What these routes call."""

    reader: DebateReader
    verifier: ReceiptVerifier


receipts: Chapter[ReceiptPorts] = Chapter("receipts")


class Check(BaseModel):
    name: str
    passed: bool
    detail: str


class Verification(BaseModel):
    valid: bool
    checks: list[Check]


@receipts.get("/api/debates/{debate_id}/receipt", needs=DEBATES_READ)
async def receipt(
    call: Call[ReceiptPorts],
    debate_id: DebateId,
    format: Form = "json",  # noqa: A002  # the contract's name of the parameter
) -> Response:
    """The signed receipt. As JSON it is, to the byte, what was signed and chained."""
    reader = call.ports.reader
    await reader.get(debate_id, call.reach)
    return await receipt_response((await reader.receipt(debate_id)).document, format)


@receipts.post("/api/receipts/verify", needs=PUBLIC, gives=Verification, refuses=(503,))
async def verify(call: Call[ReceiptPorts], document: Annotated[dict[str, Any], Body()]) -> Response:
    """Check a receipt (the JSON form): its structure, its hash, its signature, and that a key of this installation made
    it. Its place in the chain is not looked at: that takes the receipts beside it."""
    try:
        # From the text itself: `document` no longer shows a name that stood twice.
        document = parse(await call.request.body())
    except NotAReceipt as error:
        valid, checks = refusal(str(error))
    else:
        valid, checks = await call.ports.verifier.verify(document)
    return json_response({"valid": valid, "checks": checks})
