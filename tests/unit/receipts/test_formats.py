from __future__ import annotations

import json
from html import unescape
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from worlds.page_outline import Outline

from aragora.receipts.formats import to_html, to_markdown

HOSTILE = '<script>alert(1)</script>\n# heading\n![x](http://evil) | `code` "quoted" & more'


def with_texts(document: dict[str, Any], text: str) -> dict[str, Any]:
    changed: dict[str, Any] = json.loads(json.dumps(document))
    changed["question"] = changed["created_by"] = changed["domain"] = text
    changed["decision"] |= {"answer": text, "explanation": text}
    changed["decision"]["dissent"][0]["reason"] = text
    changed["agents"][1]["name"] = changed["agents"][1]["fallbacks"][0]["reason"] = text
    return changed


def test_both_forms_show_what_was_decided_and_its_proof(document: dict[str, Any]) -> None:
    page, text = Outline(to_html(document)).text, unescape(to_markdown(document).replace("\\", ""))
    for shown in (
        document["decision"]["answer"].strip(),
        "Decided, by majority, with 81% confidence",
        "One file is <simpler> to back up.",
        document["hash"],
        document["signature"],
        "openrouter (rate_limited): 1 answered, 0 failed",
        "2023-11-14 22:13:32 UTC",
    ):
        assert shown in page
        assert shown in text


def test_html_loads_nothing_and_runs_nothing(document: dict[str, Any]) -> None:
    page = to_html(with_texts(document, HOSTILE))
    outline = Outline(page)
    assert not {"script", "img", "link", "iframe", "a", "form"} & set(outline.tags)
    assert outline.attributes <= {"lang", "charset", "name", "content", "class", "scope"}
    assert "url(" not in page
    assert "@import" not in page
    assert HOSTILE in outline.text


def test_texts_never_become_markup_in_markdown(document: dict[str, Any]) -> None:
    page = to_markdown(with_texts(document, HOSTILE))
    assert "<script" not in page
    assert "![x]" not in page.replace("!\\[x\\]", "")
    assert "\n# heading" not in page
    assert [line for line in page.splitlines() if line.startswith("#")] == [
        "# Receipt rcp\\_1",
        "## Votes",
        "## Dissent",
        "## Agents",
        "## Debate",
        "## Proof",
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_categories=("Cs", "Cc"))))
def test_any_text_leaves_the_outline_of_the_page_alone(document: dict[str, Any], text: str) -> None:
    assert Outline(to_html(with_texts(document, text))).tags[-4:] == Outline(to_html(document)).tags[-4:]
    rows = [line for line in to_markdown(with_texts(document, text)).splitlines() if line.startswith("|")]
    assert len(rows) == 10


def test_a_debate_without_dissent_says_so(document: dict[str, Any]) -> None:
    document["decision"]["dissent"] = []
    assert "<p>None.</p>" in to_html(document)
    assert "\nNone.\n" in to_markdown(document)


@pytest.mark.parametrize("reached", [True, False])
def test_a_missed_threshold_is_told(document: dict[str, Any], reached: bool) -> None:
    document["decision"]["reached"] = reached
    assert ("Not decided" in to_html(document)) is not reached


def test_words_that_a_person_put_in_place_are_not_told_as_what_the_agents_decided(document: dict[str, Any]) -> None:
    changed: dict[str, Any] = json.loads(json.dumps(document))
    support = "ann put it in place of the agents' answer"
    changed["decision"] |= {"winner": None, "confidence": 0.0, "support": support}
    for page in (unescape(to_html(changed)), unescape(to_markdown(changed))):
        assert f"Decided by people: {support}" in page
        assert "by majority" not in page.split(support)[0]
        assert "0% of the weight" not in page
