"""Records as the JSON of the responses: encoded once, straight to bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import msgspec
import structlog
from starlette.responses import Response

from aragora import encoding
from aragora.debate.records import DebateRecord

ANSWER_MAX_CHARS: Final = 280  # of the answer in a listing; the debate itself has it whole

T = TypeVar("T")

_log = structlog.get_logger("aragora.server")

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
    options: list[str] = []
    needs: list[str] = []


class _Participation(msgspec.Struct):
    degraded: list[str] = []


class Outcome(msgspec.Struct):
    """What a decision came to, as listings tell it. `confidence` lies between 0 and 1. Decisions of versions that knew
    no positions have no `headline` and no `position`."""

    reached: bool
    answer: str
    winner: str | None
    confidence: float
    headline: str = ""
    position: str = ""
    degraded: bool = False


class _Decided(msgspec.Struct):
    """What listings read of a stored decision."""

    reached: bool
    answer: str
    winner: str | None
    confidence: float
    headline: str = ""
    position: str = ""
    participation: _Participation | None = None


_spec_decoder = msgspec.json.Decoder(_Spec)
_outcome_decoder = msgspec.json.Decoder(_Decided)


def summary(record: DebateRecord) -> dict[str, Any]:
    """A debate as listings show it."""
    return _summary(record, _spec_of(record))


def detail(record: DebateRecord) -> dict[str, Any]:
    """A debate with its context and decision."""
    spec = _spec_of(record)
    view = _summary(record, spec)
    view["context"] = spec.context
    view["budget_usd"] = spec.budget_usd
    view["options"] = spec.options
    view["needs"] = spec.needs
    view["decision"] = decided(record)
    return view


def decided(record: DebateRecord) -> Mapping[str, Any] | None:
    """The decision of a debate; None where it has none, or what is stored is none: then its receipt still tells it."""
    decision = _read(record, "decision", record.decision, encoding.decode)
    return decision if isinstance(decision, Mapping) else None


def _spec_of(record: DebateRecord) -> _Spec:
    """What the stored specification tells; nothing where it is damaged, so that one debate never spoils a list."""
    return _read(record, "specification", record.spec, _spec_decoder.decode) or _Spec()


def _read(record: DebateRecord, what: str, stored: str | None, decode: Callable[[str], T]) -> T | None:
    """What `record` stores as its `what`; None where it has none, or what is stored cannot be read."""
    if stored is None:
        return None
    try:
        return decode(stored)
    except (msgspec.DecodeError, ValueError) as error:
        _log.warning(f"the stored {what} cannot be read", debate_id=record.debate_id, error=str(error))
        return None


def _summary(record: DebateRecord, spec: _Spec) -> dict[str, Any]:
    return {
        "debate_id": record.debate_id,
        "workspace": record.workspace,
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
        "outcome": outcome(record),
    }


def outcome(record: DebateRecord) -> Outcome | None:
    """What the debate's decision came to, with its answer in one line of at most `ANSWER_MAX_CHARS` characters; None
    where it has none, or what is stored is none."""
    found = _read(record, "decision", record.decision, _outcome_decoder.decode)
    if found is None:
        return None
    degraded = found.participation is not None and bool(found.participation.degraded)
    return Outcome(
        found.reached,
        shorten(found.answer),
        found.winner,
        found.confidence,
        found.headline,
        shorten(found.position),
        degraded,
    )


def shorten(text: str) -> str:
    """`text` in one line, cut at `ANSWER_MAX_CHARS` characters with an ellipsis at its end."""
    line = " ".join(text.split())
    return line if len(line) <= ANSWER_MAX_CHARS else line[: ANSWER_MAX_CHARS - 1].rstrip() + "…"
