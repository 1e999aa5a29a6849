"""A receipt that tells of knowledge is checked against its journal by both scripts, offline and without Aragora."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from worlds.closed_debates import signed_anew
from worlds.receipt_vectors import FOLDER

from aragora.receipts.formats import to_html, to_markdown
from aragora.receipts.verifying import verify

SCRIPTS = Path(__file__).parents[3] / "scripts"
Change = Callable[[dict[str, Any], list[dict[str, Any]]], object]


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"knowledge_{name}", SCRIPTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


verifying, recounting = load("verify_receipt"), load("recount_receipt")


def vector(name: str = "with_knowledge") -> tuple[dict[str, Any], list[str]]:
    document = json.loads((FOLDER / f"{name}.json").read_text())
    return document, (FOLDER / f"{name}.jsonl").read_text().splitlines()


def failures(change: Change) -> dict[str, set[str]]:
    """What each script finds of a receipt and a journal that were changed and signed anew."""
    document, lines = vector()
    envelopes = [json.loads(line) for line in lines]
    change(document, envelopes)
    changed = [json.dumps(one, separators=(",", ":"), ensure_ascii=False) for one in envelopes]
    receipt, journal = signed_anew(document, changed)
    verified = list(verifying.findings(receipt.encode(), None, journal.encode()))
    recounted = recounting.findings(recounting.receipt_of(receipt.encode()), recounting.rows_of(journal.encode()))
    return {
        "verify": {name for name, passed, _ in verified if not passed},
        "recount": {name for mark, name, _ in recounted if mark == recounting.FAIL},
    }


def of(envelopes: list[dict[str, Any]], kind: str, which: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = [one for one in envelopes if one["type"] == kind][which]["data"]
    return found


def item(number: int, **members: Any) -> Change:
    return lambda _document, envelopes: of(envelopes, "knowledge_offered")["items"][number].update(members)


def cited(**members: Any) -> Change:
    return lambda _document, envelopes: of(envelopes, "knowledge_cited").update(members)


def told(number: int, **members: Any) -> Change:
    return lambda document, _envelopes: document["knowledge"]["offered"][number].update(members)


def test_what_nobody_changed_holds_for_both() -> None:
    assert failures(lambda _document, _envelopes: None) == {"verify": set(), "recount": set()}


@pytest.mark.parametrize(
    "change",
    [
        item(0, text="Tea has more caffeine than coffee."),
        item(1, item_id="kno_9"),
        item(1, source_receipt_hash="00" * 32),
        told(0, version=7),
        told(1, disputed=True),
        told(0, source_receipt_id="rcp_of_another"),
        lambda document, _envelopes: document["knowledge"]["offered"].pop(),
        lambda document, _envelopes: document.pop("knowledge"),
    ],
)
def test_other_items_than_the_journal_offers_are_found_by_both(change: Change) -> None:
    assert failures(change) == {"verify": {"knowledge"}, "recount": {"knowledge"}}


@pytest.mark.parametrize(
    "change",
    [
        cited(labels=["K2"]),
        cited(labels=["K1", "K7"]),
        cited(unknown=["K1"]),
        cited(agent="bob-ai"),
        told(0, cited_by=["bob-ai"]),
        told(0, grounds=False),
        told(1, grounds=True),
        lambda document, _envelopes: document["knowledge"].update(unknown=[]),
        lambda document, _envelopes: document["knowledge"].update(why="none"),
        lambda _document, envelopes: envelopes[0]["data"]["spec"].update(knowledge=False),
    ],
)
def test_what_is_said_of_citations_is_recounted(change: Change) -> None:
    assert "knowledge" in failures(change)["recount"]


def test_a_receipt_of_an_earlier_version_says_nothing_of_knowledge_and_holds() -> None:
    document, lines = vector("old_without_positions")
    journal = "".join(f"{line}\n" for line in lines).encode()
    found = list(verifying.findings(json.dumps(document).encode(), None, journal))
    assert all(passed for _, passed, _ in found)
    assert "knowledge" not in {name for name, _, _ in found}


def test_a_receipt_with_knowledge_verifies_and_can_be_read() -> None:
    document, _ = vector()
    assert verify(document, None)[0]
    for page in (to_html(document), to_markdown(document)):
        assert "Knowledge offered" in page
        assert document["knowledge"]["offered"][0]["digest"] in page
        assert "the answer rests on it" in page
    old, _ = vector("old_without_positions")
    assert "Knowledge offered" not in to_html(old)


@pytest.mark.parametrize(
    "junk", [b"", b"null\n", b'{"type":"knowledge_offered"}\n', b'{"type":"knowledge_offered","data":7}\n']
)
def test_a_journal_that_holds_anything_is_no_reason_to_break(junk: bytes) -> None:
    document, _ = vector()
    found = list(verifying.findings(json.dumps(document).encode(), None, junk))
    assert not all(passed for _, passed, _ in found)
