"""A receipt for people to read: Markdown, and one self-contained HTML page (no script, nothing loaded, fit for
printing).

The JSON document itself is the original. Texts of agents and people are quoted and escaped: see `aragora.markdown`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Any, Final

from aragora.markdown import inline, quoted

Rows = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A heading row and the rows below it."""

    heading: tuple[str, ...]
    rows: Rows


@dataclass(frozen=True, slots=True)
class ReceiptView:
    """A receipt as a page: paragraphs are plain text as the agents and people wrote them."""

    receipt_id: str
    question: str
    headline: str
    verdict: str
    answer: str
    explanation: str
    votes: Table
    dissent: tuple[tuple[str, str], ...]  # who, and why
    agents: Table
    absent: Table
    knowledge: Table
    facts: Rows
    proof: Rows


def view_of(document: Mapping[str, Any]) -> ReceiptView:
    """The page of a receipt whose structure was checked. Raises KeyError or TypeError for anything else."""
    decision, usage, protocol = document["decision"], document["usage"], document["protocol"]
    return ReceiptView(
        receipt_id=document["receipt_id"],
        question=document["question"],
        headline=decision.get("headline", ""),
        verdict=_verdict(decision),
        answer=decision["answer"],
        explanation=decision["explanation"],
        votes=Table(
            ("Position", "Answer of", "Votes", "Weight", "Voters"),
            tuple(
                (
                    tally.get("position", ""),
                    ", ".join(tally.get("authors") or [tally["agent"]]),
                    str(tally["votes"]),
                    f"{tally['weight']:g}",
                    ", ".join(tally["voters"]),
                )
                for tally in decision["tallies"]
            ),
        ),
        dissent=tuple(
            (f"{one['agent']}, for the answer of {one['choice']}", one["reason"]) for one in decision["dissent"]
        ),
        agents=Table(
            ("Agent", "Model", "Answers", "Failures", "Tokens", "Cost (USD)", "Fallbacks"),
            tuple(_agent(agent) for agent in document["agents"]),
        ),
        absent=Table(
            ("Agent", "Missing", "Cause", "What it said"),
            tuple(
                (one["agent"], one["wanted"], one["code"], one["message"])
                for one in (decision.get("participation") or {}).get("absent", ())
            ),
        ),
        knowledge=Table(
            ("Item", "Kind", "Version", "SHA-256", "From", "Cited by"),
            tuple(_offered(one) for one in (document.get("knowledge") or {}).get("offered", ())),
        ),
        facts=(
            ("Debate", document["debate_id"]),
            ("Status", document["status"]),
            ("Opened", _time(document["opened_at"])),
            ("Issued", _time(document["issued_at"])),
            ("Took", f"{document['issued_at'] - document['opened_at']:.1f} s"),
            ("Protocol", f"{protocol['name']}, consensus by {protocol['consensus']}"),
            ("Options", ", ".join(document.get("options", ())) or "none: an open question"),
            ("Participation", _participation(decision)),
            ("Signed", _signed(decision)),
            ("Models", ", ".join((decision.get("participation") or {}).get("models", ())) or "not told"),
            ("Stated confidence", _stated(decision)),
            ("Rounds", f"{decision['rounds']} (stopped by {decision['stopped_by']})"),
            ("Domain", document["domain"]),
            ("Tokens", f"{usage['input_tokens']} in, {usage['output_tokens']} out"),
            ("Cost", f"{usage['cost_usd']:.6f} USD"),
            ("Organisation", document["org_id"]),
            ("Asked by", document["created_by"]),
        ),
        proof=(
            ("Position in the chain", str(document["position"])),
            ("Hash", document["hash"]),
            ("Previous hash", document["previous_hash"]),
            ("Signature", document["signature"]),
            ("Algorithm", document["algorithm"]),
            ("Public key", document["public_key"]),
            ("Key id", document["key_id"]),
            ("Journal", f"{document['journal']['length']} events, SHA-256 {document['journal']['sha256']}"),
        ),
    )


def _verdict(decision: Mapping[str, Any]) -> str:
    if decision["winner"] is None and decision.get("support"):  # a person's words, which no vote stands behind
        return f"{'Decided' if decision['reached'] else 'Not decided'} by people: {decision['support']}"
    reached = "Decided" if decision["reached"] else "Not decided: the leading answer"
    if not decision.get("support"):  # receipts of versions whose confidence was what the voters said of themselves
        return f"{reached}, by {decision['mode']}, with {decision['confidence']:.0%} confidence"
    return f"{reached}, by {decision['mode']}: {decision['support']} ({decision['confidence']:.0%} of the weight)"


def _participation(decision: Mapping[str, Any]) -> str:
    who = decision.get("participation")
    if who is None:
        return "not told"
    degraded = f"; degraded: {', '.join(who['degraded'])}" if who["degraded"] else ""
    return (
        f"{len(who['asked'])} asked, {len(who['answered'])} answered, {len(who['voted'])} of {len(who['entitled'])} "
        f"voted{degraded}"
    )


def _signed(decision: Mapping[str, Any]) -> str:
    told = [
        f"{one['verdict']} by {one['person']} ({one['need']})" + (f": {one['note']}" if one["note"] else "")
        for one in decision.get("signatures", ())
    ]
    return "; ".join(told) or "by nobody: no signature was needed"


def _stated(decision: Mapping[str, Any]) -> str:
    stated = decision.get("stated_confidence")
    return (
        "none" if stated is None else f"{stated:.0%}, by those behind the answer of themselves; it counts for nothing"
    )


def _agent(agent: Mapping[str, Any]) -> tuple[str, ...]:
    model = " / ".join(part for part in (agent["provider"], agent["model"]) if part)
    fallbacks = "; ".join(
        f"{one['to_provider']} ({one['reason']}): {one['succeeded']} answered, {one['failed']} failed"
        for one in agent["fallbacks"]
    )
    return (
        agent["name"],
        model or "none",
        str(agent["answers"]),
        str(agent["failures"]),
        str(agent["input_tokens"] + agent["output_tokens"]),
        f"{agent['cost_usd']:.6f}",
        fallbacks or "none",
    )


def _offered(item: Mapping[str, Any]) -> tuple[str, ...]:
    disputed = ", disputed" if item["disputed"] else ""
    source = item["source_receipt_id"] or item["source_debate_id"] or "another source"
    cited = ", ".join(item["cited_by"]) or "nobody"
    standing = "; the answer rests on it" if item["grounds"] else ""
    name = f"{item['label']}: {item['item_id']}"
    return name, f"{item['kind']}{disputed}", str(item["version"]), item["digest"], source, f"{cited}{standing}"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #5b6470; --line: #d8dde3; --paper: #fff; --ground: #f3f5f7; --mark: #1f6f54 }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaed; --soft: #a3abb5; --line: #3a424c; --paper: #1c2128; --ground: #12161b; --mark: #6cc5a3 } }
* { box-sizing: border-box }
body { margin: 0; padding: 2rem 1rem; background: var(--ground); color: var(--ink); font: 16px/1.55 system-ui, sans-serif }
main { max-width: 52rem; margin: 0 auto; padding: 2.5rem; background: var(--paper); border: 1px solid var(--line); border-radius: 12px }
header p { margin: 0; color: var(--soft); font-size: .85rem }
h1 { margin: .4rem 0 1.2rem; font-size: 1.5rem; line-height: 1.3; white-space: pre-wrap; overflow-wrap: anywhere }
h2 { margin: 2.2rem 0 .7rem; font-size: .85rem; letter-spacing: .06em; text-transform: uppercase; color: var(--soft) }
.headline { font-weight: 600 }
.verdict { color: var(--mark); font-weight: 600 }
.answer, blockquote { margin: .5rem 0 1rem; padding: .2rem 0 .2rem 1.1rem; border-left: 3px solid var(--mark); white-space: pre-wrap; overflow-wrap: anywhere }
blockquote { border-color: var(--line) }
.wide { overflow-x: auto }
table { width: 100%; border-collapse: collapse; font-size: .88rem }
th, td { padding: .45rem .7rem .45rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top }
th { color: var(--soft); font-weight: 500 }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .35rem 1.4rem; margin: 0; font-size: .88rem }
dt { color: var(--soft) }
dd { margin: 0; overflow-wrap: anywhere }
.proof dd { font-family: ui-monospace, monospace; font-size: .8rem }
footer { margin-top: 2rem; color: var(--soft); font-size: .82rem }
@media (max-width: 40rem) { main { padding: 1.2rem } dl { grid-template-columns: 1fr; gap: 0 } dd { margin-bottom: .5rem } }
@media print { :root { color-scheme: light; --ink: #000; --soft: #444; --line: #bbb; --paper: #fff; --ground: #fff; --mark: #000 }
  body { padding: 0; font-size: 11pt } main { max-width: none; padding: 0; border: 0 } h2, tr { break-inside: avoid; break-after: auto } h2 { break-after: avoid } }
"""


def to_html(document: Mapping[str, Any]) -> str:
    """The receipt as an HTML page. Raises KeyError or TypeError where the document is not a receipt's."""
    return "".join(_page(view_of(document)))


def _page(view: ReceiptView) -> Iterator[str]:
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield f"<title>Receipt {escape(view.receipt_id)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
    yield f"<header><p>Decision receipt {escape(view.receipt_id)}</p>\n<h1>{escape(view.question)}</h1></header>\n"
    if view.headline:
        yield f'<p class="headline">{escape(view.headline)}</p>\n'
    yield f'<p class="verdict">{escape(view.verdict)}</p>\n<div class="answer">{escape(view.answer)}</div>\n'
    if view.explanation:
        yield f"<p>{escape(view.explanation)}</p>\n"
    yield f"<h2>Votes</h2>\n{_html_table(view.votes)}<h2>Dissent</h2>\n"
    for who, why in view.dissent:
        yield f"<p>{escape(who)}:</p>\n<blockquote>{escape(why)}</blockquote>\n"
    if not view.dissent:
        yield "<p>None.</p>\n"
    yield f"<h2>Agents</h2>\n{_html_table(view.agents)}"
    if view.absent.rows:
        yield f"<h2>Missing</h2>\n{_html_table(view.absent)}"
    if view.knowledge.rows:
        yield f"<h2>Knowledge offered</h2>\n{_html_table(view.knowledge)}"
    yield f"<h2>Debate</h2>\n<dl>{_html_pairs(view.facts)}</dl>\n"
    yield f'<h2>Proof</h2>\n<dl class="proof">{_html_pairs(view.proof)}</dl>\n'
    yield "<footer>This page is for reading. The JSON form is the original: check it with <code>aragora verify</code>."
    yield "</footer>\n</main>\n</body>\n</html>\n"


def _html_table(table: Table) -> str:
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in table.heading)
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>\n" for row in table.rows)
    return f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n'


def _html_pairs(rows: Rows) -> str:
    return "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>\n" for name, value in rows)


_NOTE: Final = "This page is for reading. The JSON form is the original: check it with `aragora verify`."


def to_markdown(document: Mapping[str, Any]) -> str:
    """The receipt as a Markdown page. Raises KeyError or TypeError where the document is not a receipt's."""
    view = view_of(document)
    return "\n".join(
        [
            f"# Receipt {inline(view.receipt_id)}",
            "",
            *quoted(view.question),
            "",
            *((f"**{inline(view.headline)}**", "") if view.headline else ()),
            f"**{inline(view.verdict)}**",
            "",
            *quoted(view.answer),
            "",
            *((inline(view.explanation), "") if view.explanation else ()),
            "## Votes",
            "",
            *_markdown_table(view.votes),
            "",
            "## Dissent",
            "",
            *(line for who, why in view.dissent for line in (f"{inline(who)}:", "", *quoted(why), "")),
            *(() if view.dissent else ("None.", "")),
            "## Agents",
            "",
            *_markdown_table(view.agents),
            "",
            *(("## Missing", "", *_markdown_table(view.absent), "") if view.absent.rows else ()),
            *(("## Knowledge offered", "", *_markdown_table(view.knowledge), "") if view.knowledge.rows else ()),
            "## Debate",
            "",
            *_markdown_pairs(view.facts),
            "",
            "## Proof",
            "",
            *_markdown_pairs(view.proof),
            "",
            _NOTE,
            "",
        ]
    )


def _markdown_table(table: Table) -> Iterator[str]:
    yield f"| {' | '.join(table.heading)} |"
    yield f"|{'---|' * len(table.heading)}"
    for row in table.rows:
        yield f"| {' | '.join(inline(cell) for cell in row)} |"


def _markdown_pairs(rows: Rows) -> Iterator[str]:
    for name, value in rows:
        yield f"- {name}: {inline(value)}"
