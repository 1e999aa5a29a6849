"""Records as the JSON of the responses: encoded once, straight to bytes, with stored JSON passed through as it is."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from starlette.responses import Response

from aragora import encoding
from aragora.debate.records import DebateRecord

UNCACHED: Final = {"Cache-Control": "no-store"}
"""Headers of answers with secrets in them, which are kept nowhere on the way."""


def json_response(value: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """`value` as compact JSON."""
    return Response(encoding.encode(value), status, headers, "application/json")


class _Protocol(msgspec.Struct):
    name: str = ""


class _Spec(msgspec.Struct):
    agents: list[str] = []
    protocol: _Protocol = msgspec.field(default_factory=_Protocol)
    context: str = ""
    domain: str = "general"
    budget_usd: float | None = None


_spec_decoder = msgspec.json.Decoder(_Spec)


def summary(record: DebateRecord) -> dict[str, Any]:
    """A debate as listings show it."""
    return _summary(record, _spec_decoder.decode(record.spec))


def detail(record: DebateRecord) -> dict[str, Any]:
    """A debate with its context and decision."""
    spec = _spec_decoder.decode(record.spec)
    view = _summary(record, spec)
    view["context"] = spec.context
    view["budget_usd"] = spec.budget_usd
    view["decision"] = None if record.decision is None else msgspec.Raw(record.decision.encode())
    return view


def _summary(record: DebateRecord, spec: _Spec) -> dict[str, Any]:
    return {
        "debate_id": record.debate_id,
        "question": record.question,
        "status": record.status,
        "rounds": record.rounds,
        "agents": spec.agents,
        "protocol": spec.protocol.name,
        "domain": spec.domain,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
        "cost_usd": record.cost_usd,
        "reason": record.reason,
        "receipt_id": record.receipt_id,
        "last_seq": record.last_seq,
    }
