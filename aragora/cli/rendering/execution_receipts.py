"""The receipt of an execution, in plain words: what was run, who approved what, when, and how they had logged in.

A signature shows who vouches for a document, not that its members are as we write them: what is missing is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from aragora.cli.rendering.knowledge import moment
from aragora.cli.rendering.layout import Indented
from aragora.cli.rendering.terminal import say
from aragora.receipts.execution_page import MODES, VERDICTS
from aragora.texts import counted


def execution_lines(document: Mapping[str, Any]) -> list[RenderableType]:
    """The lines for a receipt whose signature was checked."""
    lines: list[RenderableType] = [
        say(f"Execution {document.get('execution_id')} of {document.get('name')!r}: {document.get('status')}", "bold"),
        Indented(list(_facts(document))),
    ]
    for one in _entries(document, "approvals"):
        lines += [say(f"Approval {str(one.get('title'))!r}: {one.get('status')}", "bold"), Indented(_approval(one))]
    if debates := _entries(document, "debates"):
        lines += [say("Debates and questions", "bold"), Indented([_debate(one) for one in debates])]
    if children := _entries(document, "executions"):
        told = [say(f"{one.get('execution_id')} {one.get('status')}: {_receipt(one)}") for one in children]
        lines += [say("Executions it started", "bold"), Indented(told)]
    return lines


def _facts(document: Mapping[str, Any]) -> Iterator[Text]:
    workflow = f"{document.get('workflow_id')}, version {document.get('version')}"
    yield say(f"workflow {workflow}, SHA-256 {document.get('definition_sha256')}", "dim")
    times = f"{moment(document.get('started_at'))} to {moment(document.get('ended_at'))}"
    yield say(f"started by {document.get('started_by')} of {document.get('org_id')}, {times}")
    cost = document.get("cost_usd")
    end = document.get("end")
    retried = f"; its end number {end}, after retries" if isinstance(end, int) and end > 1 else ""
    yield say(f"cost {cost if isinstance(cost, int | float) else 0:.6f} USD{retried}")
    if document.get("reason"):
        yield say(f"because: {document['reason']}")
    others = (("knowledge_items", "knowledge item"), ("tasks", "task"), ("retries", "retry"))
    for name, thing in others:
        if entries := _entries(document, name):
            yield say(counted(len(entries), thing, "retries" if thing == "retry" else None))
    left_out = document.get("left_out")
    for name, number in left_out.items() if isinstance(left_out, Mapping) else ():
        yield say(f"{number} more in {name}, told by the journal alone", "yellow")


def _approval(one: Mapping[str, Any]) -> list[Text]:
    lines = [say(f"it took {one.get('quorum')}"), say(f"shown: SHA-256 {one.get('digest')}", "dim")]
    for answer in _entries(one, "answers"):
        place = " in place of those who were asked" if answer.get("bypass") else ""
        role = f" as {answer['need']}" if answer.get("need") else ""
        verdict = VERDICTS.get(str(answer.get("verdict")), str(answer.get("verdict")))
        how = MODES.get(str(answer.get("mode")), f"by {answer.get('mode')}")
        lines.append(say(f"{answer.get('person')}{role} {verdict}{place}, {moment(answer.get('at'))}, {how}"))
        if answer.get("comment"):
            lines.append(say(f"  {answer['comment']}"))
        if answer.get("digest") != one.get("digest"):
            lines.append(say(f"  had read another text: SHA-256 {answer.get('digest')}", "bold red"))
    if not _entries(one, "answers"):
        lines.append(say("nobody answered it"))
    return [*lines, say(f"{one.get('status')} {moment(one.get('closed_at'))}: {one.get('why')}")]


def _debate(one: Mapping[str, Any]) -> Text:
    reached, confidence = one.get("reached"), one.get("confidence")
    decided = str(one.get("status"))
    if reached is True:
        decided = f"decided ({confidence:.0%})" if isinstance(confidence, int | float) else "decided"
    elif reached is False:
        decided = "not decided"
    return say(f"{one.get('run')}: {decided}, {_receipt(one)}")


def _receipt(one: Mapping[str, Any]) -> str:
    told = f", SHA-256 {one['receipt_hash']}" if one.get("receipt_hash") else ""
    return f"receipt {one['receipt_id']}{told}" if one.get("receipt_id") else "without a receipt"


def _entries(of: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    entries = of.get(name)
    return [one for one in entries if isinstance(one, Mapping)] if isinstance(entries, list) else []
