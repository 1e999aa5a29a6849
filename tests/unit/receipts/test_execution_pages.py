"""The receipt of an execution as a page: complete, and deaf to what people wrote into it."""

from __future__ import annotations

import json
from html import unescape
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds.execution_receipts import FOLDER, VECTORS
from worlds.page_outline import Outline

from aragora.receipts.formats import to_html, to_markdown

HOSTILE = '<script>alert(1)</script>\n# heading\n- item\n![x](http://evil) | `code` "quoted" & more'


def document(name: str = "released") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return found


def with_texts(told: dict[str, Any], text: str) -> dict[str, Any]:
    """The receipt, with `text` wherever people, agents and authors put theirs."""
    approval, answer = told["approvals"][0], told["approvals"][0]["answers"][0]
    told |= {"name": text, "reason": text, "code": text, "outputs": {text: text, "more": {text: [text]}}}
    told |= {"authors": [text], "started_by": text, "workspace": text, "left_out": {"answers": 3}}
    told["knowledge_items"] = [{"run": text, "item_id": text}]
    told["tasks"] = [{"run": text, "task_id": text, "agent_id": text, "status": "failed", "code": text, "attempt": 1}]
    told["tasks"][0]["cost_usd"] = 0.5
    told["retries"] = [{"by": text, "at": 1.0, "run": text, "changed": [text]}]
    told["debates"][0] |= {"run": text, "debate_id": text}
    approval |= {"title": text, "quorum": text, "why": text}
    answer |= {"person": text, "need": text, "comment": text, "mode": text, "verdict": text, "checklist": [text]}
    return told


@pytest.mark.parametrize("name", VECTORS)
def test_both_forms_tell_who_approved_what_and_the_proof(name: str) -> None:
    told = document(name)
    page, text = Outline(to_html(told)).text, unescape(to_markdown(told).replace("\\", ""))
    (approval,) = told["approvals"]
    shown = [told["hash"], told["signature"], told["definition_sha256"], told["journal"]["sha256"], approval["digest"]]
    shown += [approval["title"], approval["quorum"], "debate_failed", "rcp_1", "ab" * 32, f"{told['cost_usd']:.6f} USD"]
    for answer in approval["answers"]:
        shown += [answer["person"], answer["comment"]]
    for each in shown:
        assert each in page
        assert each in text


def test_who_said_what_when_and_by_which_login() -> None:
    told = unescape(to_markdown(document())).replace("\\", "")
    assert "bob as role:owner approved it, 1970-01-12 13:47:40 UTC, as the operator of the server's own machine" in told
    again = unescape(to_markdown(document("retried"))).replace("\\", "")
    assert (
        "root approved it in place of those who were asked, 1970-01-12 13:47:10 UTC, logged in with a password and a "
        "second factor"
    ) in again
    assert "| ann | 1970-01-12 13:47:40 UTC | check | question |" in again


def test_an_answer_to_another_text_than_was_shown_is_told() -> None:
    told = document()
    told["approvals"][0]["answers"][0]["digest"] = "cd" * 32
    for page in (to_html(told), to_markdown(told)):
        assert f"had read another text: SHA-256 {'cd' * 32}" in page


def test_what_is_not_there_is_said() -> None:
    told = document() | {
        "approvals": [],
        "outputs": None,
        "left_out": {"debates": 7},
        "reason": "No.",
        "code": "budget",
    }
    for page in (unescape(to_html(told)), to_markdown(told)):
        for each in ("Nobody was asked.", "too large to stand here", "7 more in debates", "No. (budget)"):
            assert each in page


def test_html_loads_nothing_and_runs_nothing_of_what_people_wrote() -> None:
    page = to_html(with_texts(document(), HOSTILE))
    outline = Outline(page)
    assert not {"script", "img", "link", "iframe", "a", "form"} & set(outline.tags)
    assert outline.attributes <= {"lang", "charset", "name", "content", "class", "scope"}
    assert outline.text.count(HOSTILE) > 20
    assert "url(" not in page


def test_what_people_wrote_never_becomes_markup_in_markdown() -> None:
    page = to_markdown(with_texts(document(), HOSTILE))
    assert "<script" not in page
    assert "![x]" not in page.replace("!\\[x\\]", "")
    headings = [line for line in page.splitlines() if line.startswith("#")]
    assert headings == [
        "# Receipt rcp\\_1\\_1", "## What it gave", "## Approvals", "## What failed", "## Debates and questions", "## Tasks",
        "## Knowledge kept", "## Retries", "## Execution", "## Proof",
    ]  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(exclude_categories=("Cs", "Cc"))))
def test_any_text_leaves_the_outline_of_an_executions_page_alone(text: str) -> None:
    told, plain = with_texts(document(), text), with_texts(document(), "plain")
    assert [tag for tag in Outline(to_html(told)).tags if tag != "blockquote"] == [
        tag for tag in Outline(to_html(plain)).tags if tag != "blockquote"
    ]
    rows = [line for line in to_markdown(told).splitlines() if line.startswith("|")]
    assert len(rows) == len([line for line in to_markdown(plain).splitlines() if line.startswith("|")])
