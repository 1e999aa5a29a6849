"""What `aragora knowledge` prints: hits, items, and why an item is believed as far as it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import RenderableType
from rich.text import Text

from aragora.cli.rendering.layout import Heading, Indented, Listing
from aragora.cli.rendering.terminal import say
from aragora.texts import counted

STATUS_STYLES: Final = {"live": "green", "disputed": "yellow", "quarantined": "red", "superseded": "dim"}
PROOF_STYLES: Final = {"valid": "green", "invalid": "bold red", "other": "bold red"}
SOURCES_SHOWN: Final = 3


def found_lines(answer: Mapping[str, Any]) -> list[RenderableType]:
    """The hits of a search, the best first, and why it was not the search that was asked for."""
    results: Sequence[Mapping[str, Any]] = answer.get("results") or ()
    parts: list[RenderableType] = []
    for hit in results:
        item = hit.get("item") or {}
        parts += item_lines(item)
        parts += [Indented([_dissent(one)]) for one in hit.get("dissents") or ()]
    if not results:
        parts.append(say("Nothing relevant is known."))
    if answer.get("degraded"):
        parts.append(say(f"By {answer.get('mode')} search: {answer['degraded']}.", "yellow"))
    return parts


def item_lines(item: Mapping[str, Any]) -> list[RenderableType]:
    """An item in some lines: how far to trust it, what it says, and who says so."""
    head = Text.assemble(
        say(str(item.get("item_id", "")), "bold"),
        "  ",
        say(trust(item)),
        "  ",
        say(str(item.get("kind", ""))),
        "  ",
        _status(item),
    )
    lines = [say(str(item.get("content") or "(forgotten)"))]
    sources = [source_line(one) for one in (item.get("sources") or ())[:SOURCES_SHOWN]]
    more = int(item.get("sources_total") or 0) - len(sources)
    if sources:
        told = "; ".join(sources) + (f"; and {counted(more, 'other')}" if more > 0 else "")
        lines.append(say(f"from {told}", "dim"))
    if item.get("reason"):
        lines.append(say(str(item["reason"]), "yellow"))
    return [head, Indented(lines)]


def items_table(items: Iterable[Mapping[str, Any]]) -> Listing:
    """One row for each item."""
    table = Listing(
        "item", "kind", "status", "trust", "recorded (UTC)", "content", wrapped=("recorded (UTC)", "content")
    )
    for item in items:
        table.row(
            say(str(item.get("item_id", ""))),
            say(str(item.get("kind", ""))),
            _status(item),
            say(f"{_number((item.get('confidence') or {}).get('value'))}"),
            moment(item.get("recorded_at")),
            say(" ".join(str(item.get("content") or "").split())),
        )
    return table


def reasons_lines(why: Mapping[str, Any]) -> list[RenderableType]:
    """All that stands behind an item."""
    item = why.get("item") or {}
    roots = int(why.get("independent_roots") or 0)
    parts: list[RenderableType] = [*item_lines(item), Heading("sources")]
    receipts = why.get("receipts") or {}
    parts += [_with_receipt(source, receipts) for source in item.get("sources") or ()]
    parts += [_with_receipt(source, receipts, "against: ") for source in item.get("against") or ()]
    parts.append(
        say(f"{counted(roots, 'independent root')}: a source that was shown another one does not count", "dim")
    )
    if why.get("linked_by") or item.get("links"):
        parts.append(Heading("links"))
        parts += [say(f"{one.get('kind')} {one.get('item_id')}") for one in item.get("links") or ()]
        parts += [say(f"named by {one.get('item_id')} ({one.get('kind')})") for one in why.get("linked_by") or ()]
    if why.get("outcomes"):
        parts.append(Heading("what was seen of it"))
        parts += [line for one in why["outcomes"] for line in _seen(one)]
    if (why.get("memory") or {}).get("last_used_at"):
        parts += [Heading("how it is used"), _used(why["memory"])]
    parts.append(Heading("what raised and lowered it"))
    parts += [_move(one) for one in why.get("ledger") or ()]
    return parts


def _used(memory: Mapping[str, Any]) -> RenderableType:
    uses = counted(int(memory.get("uses") or 0), "debate")
    return say(f"{uses} rested on it, the last {moment(memory.get('last_used_at'))}; memory: {memory.get('tier')}")


def _seen(outcome: Mapping[str, Any]) -> list[RenderableType]:
    """Whether it held, as somebody saw, and what they told of the debate: each version, the newest first."""
    bears = {"item": "it", "answer": "an answer that rests on it"}.get(
        str(outcome.get("bears")), "nothing that it says"
    )
    held = "held" if outcome.get("held") else "did not hold"
    lines: list[RenderableType] = [
        say(
            f"{moment(outcome.get('at'))}  {outcome.get('root')}: {held}, of {bears}",
            "" if outcome.get("held") else "yellow",
        )
    ]
    for told in outcome.get("told") or ():
        right = "no answer held" if told.get("right") is None else f"{told['right']} held"
        note = f": {' '.join(str(told['note']).split())}" if told.get("note") else ""
        lines.append(say(f"  version {told.get('version')} by {told.get('by')}: {right}{note}", "dim"))
    return lines


def proofs_table(rows: Iterable[Mapping[str, Any]]) -> Listing:
    """One row for each debate behind an item: `debate_id`, `receipt_id`, `state` and `detail`."""
    table = Listing("debate", "receipt", "found", "", wrapped=("found", ""))
    for row in rows:
        state = str(row.get("state", ""))
        table.row(
            say(str(row.get("debate_id", ""))),
            say(str(row.get("receipt_id") or "-")),
            say(state, PROOF_STYLES.get(state, "yellow")),
            say(str(row.get("detail") or ""), "dim"),
        )
    return table


def trust(item: Mapping[str, Any]) -> str:
    """How far to trust an item, in words and as a number, and what for."""
    confidence = item.get("confidence") or {}
    return f"{confidence.get('words')} ({_number(confidence.get('value'))}, {confidence.get('basis')})"


def source_line(source: Mapping[str, Any]) -> str:
    """Where a statement was made, in some words."""
    if source.get("debate_id"):
        seq = f", event {source['seq']}" if source.get("seq") is not None else ""
        agent = f", {source['agent']}" if source.get("agent") else ""
        return f"debate {source['debate_id']}{seq}{agent}"
    if source.get("kind") == "document":
        return f"document {source.get('document')}"
    return f"{source.get('kind')} {source.get('person') or source.get('root')}"


def moment(value: object) -> str:
    """A time in UTC, to the minute."""
    if not isinstance(value, int | float):
        return "-"
    try:
        return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):  # beyond what the machine's calendar has
        return f"{value:g}"


def _with_receipt(source: Mapping[str, Any], receipts: Mapping[str, Any], before: str = "") -> Text:
    line = Text.assemble(say(f"{before}{moment(source.get('at'))}  {source_line(source)}"))
    proof = receipts.get(str(source.get("debate_id"))) or {}
    if proof:
        state = str(proof.get("state", ""))
        line.append_text(Text.assemble("  ", say(f"receipt {state}", PROOF_STYLES.get(state, "yellow"))))
    return line


def _move(move: Mapping[str, Any]) -> Text:
    moved, after = move.get("moved") or 0.0, (move.get("after") or {}).get("value")
    arrow = "" if abs(moved) < 0.0005 else f" ({moved:+.2f})"
    by = f" by {move['by']}" if move.get("by") else ""
    note = f": {' '.join(str(move['note']).split())}" if move.get("note") else ""
    style = "green" if moved > 0 else "yellow" if moved < 0 else ""
    return say(f"{moment(move.get('at'))}  {_number(after)}{arrow}  {move.get('change')}{by}{note}", style)


def _dissent(item: Mapping[str, Any]) -> Text:
    return say(f"dissent: {' '.join(str(item.get('content') or '').split())}", "yellow")


def _status(item: Mapping[str, Any]) -> Text:
    status = str(item.get("status", ""))
    return say(status, STATUS_STYLES.get(status, ""))


def _number(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, int | float) else "-"
