"""How debates are written into a file, one format a class. Each turns one record into text; nothing is kept."""

from __future__ import annotations

import csv
import io
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from typing import Any, ClassVar, Final

from aragora import encoding
from aragora.debate.records import DebateRecord
from aragora.markdown import inline, quoted
from aragora.server import views

_CHUNK_CHARS: Final = 32_768
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")
_COLUMNS: Final = (
    "debate_id", "question", "status", "rounds", "agents", "protocol", "domain", "created_at", "updated_at",
    "answer", "winner", "confidence", "cost_usd", "reason", "receipt_id", "headline", "position", "support",
    "reached", "degraded", "stated_confidence", "workspace",
)  # fmt: skip
_OF_DECISION: Final = (
    "answer", "winner", "confidence", "headline", "position", "support", "reached", "stated_confidence",
)  # fmt: skip


class Format(ABC):
    """What stands before, between and after the entries, and how a record becomes one."""

    media_type: ClassVar[str]
    suffix: ClassVar[str]
    head: ClassVar[str] = ""
    separator: ClassVar[str] = ""
    tail: ClassVar[str] = ""

    @abstractmethod
    def entry(self, record: DebateRecord) -> str:
        """One record as text."""


class Json(Format):
    media_type = "application/json"
    suffix = "json"
    head = '{"debates":['
    separator = ","
    tail = "]}\n"

    def entry(self, record: DebateRecord) -> str:
        return encoding.encode_text(views.detail(record))


class JsonLines(Format):
    media_type = "application/jsonl"
    suffix = "jsonl"

    def entry(self, record: DebateRecord) -> str:
        return encoding.encode_text(views.detail(record)) + "\n"


class Csv(Format):
    """RFC 4180. A text that a spreadsheet would run as a formula gets an apostrophe before it (OWASP)."""

    media_type = "text/csv; charset=utf-8"
    suffix = "csv"
    head = ",".join(_COLUMNS) + "\r\n"

    def entry(self, record: DebateRecord) -> str:
        row = {**views.summary(record), **_decided(record)}
        row["agents"] = " ".join(row["agents"])
        buffer = io.StringIO()
        csv.writer(buffer).writerow([_cell(row.get(column)) for column in _COLUMNS])
        return buffer.getvalue()


class Markdown(Format):
    media_type = "text/markdown; charset=utf-8"
    suffix = "md"
    head = "# Debates\n"

    def entry(self, record: DebateRecord) -> str:
        view = views.summary(record)
        decision = _decided(record)
        lines = [
            f"\n## {inline(record.question)}\n",
            *((f"**{inline(str(decision['headline']))}**\n",) if decision.get("headline") else ()),
            f"- Debate: `{record.debate_id}`",
            f"- Status: {record.status}",
            f"- Agents: {inline(', '.join(view['agents']))}",
            f"- Protocol: {inline(view['protocol'])}, rounds: {record.rounds}",
        ]
        if record.reason and not decision:
            lines.append(f"- Reason: {inline(record.reason)}")
        if record.receipt_id:
            lines.append(f"- Receipt: `{record.receipt_id}`")
        if decision:
            lines += [_of_answer(decision), "", *quoted(str(decision["answer"]))]
        return "\n".join(lines) + "\n"


FORMATS: Final[dict[str, Format]] = {"json": Json(), "jsonl": JsonLines(), "csv": Csv(), "markdown": Markdown()}


async def chunks(records: AsyncIterator[DebateRecord], chosen: Format) -> AsyncIterator[bytes]:
    """The file in pieces of some 32 KB: one send per piece, not per record."""
    parts = [chosen.head]
    size = len(chosen.head)
    separator = ""
    async for record in records:
        entry = separator + chosen.entry(record)
        separator = chosen.separator
        parts.append(entry)
        size += len(entry)
        if size >= _CHUNK_CHARS:
            yield "".join(parts).encode()
            parts, size = [], 0
    parts.append(chosen.tail)
    yield "".join(parts).encode()


def _decided(record: DebateRecord) -> dict[str, Any]:
    decision = views.decided(record) or {}
    if not decision:
        return {}
    outcome = views.outcome(record)
    degraded = decision["participation"]["degraded"] if outcome is not None and outcome.degraded else ()
    return {name: decision.get(name) for name in _OF_DECISION} | {"degraded": " ".join(degraded)}


def _of_answer(decision: dict[str, Any]) -> str:
    """Whose answer it is, and what stands behind it."""
    what = "Answer" if decision["reached"] else "Leading answer, not a decision"
    whose = f"of {inline(str(decision['winner']))}" if decision["winner"] else "of no agent"
    if not decision["support"]:  # of versions whose confidence was what the voters said of themselves
        return f"- {what}: {whose}, confidence: {_two_digits(decision['confidence'])}"
    share = decision["confidence"]
    weight = f", {share:.0%} of the weight" if decision["winner"] and isinstance(share, int | float) else ""
    return f"- {what}: {whose} ({inline(str(decision['support']))}{weight})"


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return "'" + value
    return value


def _two_digits(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, int | float) else "unknown"
