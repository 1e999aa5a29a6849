"""The page of an execution's receipt: what was run, who approved what, when and by which login, which debates and tasks
served it, what failed, what it cost, and the proof."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from aragora.receipts.canonical import canonical
from aragora.receipts.debate_page import proof_rows
from aragora.receipts.pages import Block, Page, Pairs, Paragraph, Quote, Rows, Section, Table, second

VERDICTS: Final = {"approve": "approved it", "reject": "rejected it", "abstain": "abstained"}
MODES: Final = {
    "password": "logged in with a password",
    "second_factor": "logged in with a password and a second factor",
    "oauth": "logged in through an identity provider",
    "api_key": "with an API key",
    "headers": "in whose name a trusted service spoke",
    "local": "as the operator of the server's own machine",
}
"""How somebody had shown who it was, by the word of the receipt."""
_OF_DEBATES: Final = ("Step", "What", "Debate", "Outcome", "Cost (USD)", "Receipt", "SHA-256 of the receipt")
_OF_CHILDREN: Final = ("Step", "Execution", "Status", "Cost (USD)", "Receipt")
_ASKED: Final = (("debates", "debate"), ("tasks", "task"), ("executions", "workflow"))


def execution_page(document: Mapping[str, Any]) -> Page:
    """The page of a receipt whose structure was checked. Raises KeyError or TypeError for anything else."""
    return Page(
        receipt_id=document["receipt_id"],
        kind="Execution receipt",
        heading=document["name"],
        opening=tuple(_opening(document)),
        sections=tuple(_sections(document)),
    )


def _opening(document: Mapping[str, Any]) -> Iterator[Block]:
    why = f": {document['reason']} ({document['code']})" if document["code"] else ""
    yield Paragraph(f"{str(document['status']).capitalize()}{why}", "verdict")
    for name, number in document["left_out"].items():
        yield Paragraph(f"{number} more in {name}, told by the journal alone.")


def _sections(document: Mapping[str, Any]) -> Iterator[Section]:
    yield Section("What it gave", tuple(_outputs(document["outputs"])))
    approvals = tuple(block for one in document["approvals"] for block in _approval(one))
    yield Section("Approvals", approvals or (Paragraph("Nobody was asked."),))
    if failed := tuple(_failed(document)):
        yield Section("What failed", (Table(("Step", "Attempt", "What", "Cause", "Cost (USD)"), failed),))
    if document["debates"]:
        yield Section("Debates and questions", (Table(_OF_DEBATES, _rows(document["debates"], _debate)),))
    if document["executions"]:
        yield Section("Executions it started", (Table(_OF_CHILDREN, _rows(document["executions"], _child)),))
    if document["tasks"]:
        yield Section("Tasks", (Table(("Step", "Task", "Agent", "Status"), _rows(document["tasks"], _task)),))
    if document["knowledge_items"]:
        kept = tuple((one["run"], one["item_id"] or "none") for one in document["knowledge_items"])
        yield Section("Knowledge kept", (Table(("Step", "Item"), kept),))
    if document["retries"]:
        yield Section("Retries", (Table(("By", "When", "From", "Changed"), _rows(document["retries"], _retry)),))
    yield Section("Execution", (Pairs(_facts(document)),))
    yield Section("Proof", (Pairs(proof_rows(document), proof=True),))


def _outputs(outputs: Mapping[str, Any] | None) -> Iterator[Block]:
    if outputs is None:
        yield Paragraph("It is too large to stand here: its SHA-256 is below.")
    elif not outputs:
        yield Paragraph("Nothing.")
    else:
        for name, value in outputs.items():
            yield Paragraph(f"{name}:")
            yield Quote(value if isinstance(value, str) else canonical(value).decode())


def _approval(one: Mapping[str, Any]) -> Iterator[Block]:
    yield Paragraph(f"{one['title']}: {one['status']}", "headline")
    until = "without a deadline" if one["deadline_at"] is None else f"until {second(one['deadline_at'])}"
    yield Paragraph(f"It took {one['quorum']}. Asked {second(one['opened_at'])}, {until}.")
    for answer in one["answers"]:
        yield Paragraph(_answer(answer))
        if answer["digest"] != one["digest"]:
            yield Paragraph(f"This person had read another text: SHA-256 {answer['digest']}", "headline")
        if answer["comment"]:
            yield Quote(answer["comment"])
    if not one["answers"]:
        yield Paragraph("Nobody answered it.")
    closed = "" if one["closed_at"] is None else f" {second(one['closed_at'])}"
    yield Paragraph(f"{str(one['status']).capitalize()}{closed}: {one['why']}")
    yield Pairs((("What was decided on", f"SHA-256 {one['digest']}"),), proof=True)


def _answer(one: Mapping[str, Any]) -> str:
    """Who said what, as whom, when, and how this person had logged in."""
    role = f" as {one['need']}" if one["need"] else ""
    place = " in place of those who were asked" if one["bypass"] else ""
    verdict = VERDICTS.get(one["verdict"], one["verdict"])
    how = MODES.get(one["mode"], f"by {one['mode']}")
    ticked = f"; ticked: {', '.join(one['checklist'])}" if one["checklist"] else ""
    return f"{one['person']}{role} {verdict}{place}, {second(one['at'])}, {how}{ticked}"


def _failed(document: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for name, what in _ASKED:
        for one in document[name]:
            if one["status"] == "failed":
                yield (one["run"], str(one["attempt"]), one.get("kind", what), one["code"], _usd(one))


def _rows(entries: Sequence[Mapping[str, Any]], row: Callable[[Mapping[str, Any]], tuple[str, ...]]) -> Rows:
    return tuple(row(one) for one in entries)


def _debate(one: Mapping[str, Any]) -> tuple[str, ...]:
    outcome = one["status"]
    if one["reached"] is not None:
        sure = "" if one["confidence"] is None else f", {one['confidence']:.0%}"
        outcome = f"decided{sure}" if one["reached"] else "not decided"
    return (
        one["run"],
        one["kind"],
        one["debate_id"] or "none",
        outcome,
        _usd(one),
        one["receipt_id"] or "none",
        one["receipt_hash"] or "none",
    )


def _child(one: Mapping[str, Any]) -> tuple[str, ...]:
    return one["run"], one["execution_id"] or "none", one["status"], _usd(one), one["receipt_id"] or "none"


def _task(one: Mapping[str, Any]) -> tuple[str, ...]:
    return one["run"], one["task_id"] or "none", one["agent_id"] or "none", one["status"]


def _retry(one: Mapping[str, Any]) -> tuple[str, ...]:
    return one["by"], second(one["at"]), one["run"], ", ".join(one["changed"]) or "nothing"


def _usd(one: Mapping[str, Any]) -> str:
    return f"{one['cost_usd']:.6f}"


def _facts(document: Mapping[str, Any]) -> Rows:
    served = document["serves"]
    return (
        ("Execution", document["execution_id"]),
        ("End", f"number {document['end']}"),
        ("Workflow", f"{document['workflow_id']}, version {document['version']}"),
        ("Definition", f"SHA-256 {document['definition_sha256']}"),
        ("Written by", ", ".join(document["authors"]) or "not told"),
        ("Started by", document["started_by"]),
        ("Serves", "nothing else" if served is None else f"{served['execution_id']}"),
        ("Started", second(document["started_at"])),
        ("Ended", second(document["ended_at"])),
        ("Issued", second(document["issued_at"])),
        ("Took", f"{document['ended_at'] - document['started_at']:.1f} s"),
        ("Cost", f"{document['cost_usd']:.6f} USD"),
        ("Inputs", _sha256(document["inputs_sha256"])),
        ("Outputs", _sha256(document["outputs_sha256"])),
        ("Organisation", document["org_id"]),
        ("Workspace", document["workspace"]),
    )


def _sha256(digest: str | None) -> str:
    return "no canonical form" if digest is None else f"SHA-256 {digest}"
