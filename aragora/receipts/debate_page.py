"""The page of a debate's receipt: what was asked and decided, by whose votes, who dissented, and the proof."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from aragora.receipts.pages import Block, Page, Pairs, Paragraph, Quote, Rows, Section, Table, second


def debate_page(document: Mapping[str, Any]) -> Page:
    """The page of a receipt whose structure was checked. Raises KeyError or TypeError for anything else."""
    decision = document["decision"]
    return Page(
        receipt_id=document["receipt_id"],
        kind="Decision receipt",
        heading=document["question"],
        opening=tuple(_opening(decision)),
        sections=tuple(_sections(document)),
    )


def _opening(decision: Mapping[str, Any]) -> Iterator[Block]:
    if decision.get("headline"):
        yield Paragraph(decision["headline"], "headline")
    yield Paragraph(_verdict(decision), "verdict")
    yield Quote(decision["answer"], answer=True)
    if decision["explanation"]:
        yield Paragraph(decision["explanation"])


def _sections(document: Mapping[str, Any]) -> Iterator[Section]:
    decision = document["decision"]
    yield Section("Votes", (_votes(decision),))
    yield Section("Dissent", tuple(_dissent(decision)) or (Paragraph("None."),))
    yield Section("Agents", (_agents(document),))
    absent = (decision.get("participation") or {}).get("absent", ())
    if absent:
        rows = tuple((one["agent"], one["wanted"], one["code"], one["message"]) for one in absent)
        yield Section("Missing", (Table(("Agent", "Missing", "Cause", "What it said"), rows),))
    offered = tuple(_offered(one) for one in (document.get("knowledge") or {}).get("offered", ()))
    if offered:
        yield Section(
            "Knowledge offered", (Table(("Item", "Kind", "Version", "SHA-256", "From", "Cited by"), offered),)
        )
    yield Section("Debate", (Pairs(_facts(document)),))
    yield Section("Proof", (Pairs(proof_rows(document), proof=True),))


def proof_rows(document: Mapping[str, Any]) -> Rows:
    """What stands in a receipt of any kind: its place in the chain, its seals, and the journal that it covers."""
    return (
        ("Position in the chain", str(document["position"])),
        ("Hash", document["hash"]),
        ("Previous hash", document["previous_hash"]),
        ("Signature", document["signature"]),
        ("Algorithm", document["algorithm"]),
        ("Public key", document["public_key"]),
        ("Key id", document["key_id"]),
        ("Journal", f"{document['journal']['length']} events, SHA-256 {document['journal']['sha256']}"),
    )


def _votes(decision: Mapping[str, Any]) -> Table:
    return Table(
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
    )


def _dissent(decision: Mapping[str, Any]) -> Iterator[Block]:
    for one in decision["dissent"]:
        yield Paragraph(f"{one['agent']}, for the answer of {one['choice']}:")
        yield Quote(one["reason"])


def _agents(document: Mapping[str, Any]) -> Table:
    heading = ("Agent", "Model", "Answers", "Failures", "Tokens", "Cost (USD)", "Fallbacks")
    return Table(heading, tuple(_agent(agent) for agent in document["agents"]))


def _facts(document: Mapping[str, Any]) -> Rows:
    decision, usage, protocol = document["decision"], document["usage"], document["protocol"]
    return (
        ("Debate", document["debate_id"]),
        ("Status", document["status"]),
        ("Opened", second(document["opened_at"])),
        ("Issued", second(document["issued_at"])),
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
