"""docs/spec names every event, every member of one, and every member of a receipt."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from worlds import execution_receipts
from worlds.receipt_vectors import FOLDER, NAMES, OLD

from aragora.debate.model import WIRE_NAMES, DebateSpec, Fallback, Position, Protocol, Standing, Usage

SPEC = Path(__file__).parents[3] / "docs" / "spec"
PAGES = {page: (SPEC / page).read_text() for page in ("README.md", "journal.md", "receipt.md", "execution.md")}


def named_in(*pages: str) -> set[str]:
    return {name for page in pages for name in re.findall(r"`([a-z_0-9]+)`", PAGES[page])}


@pytest.mark.parametrize("kind", [*WIRE_NAMES, DebateSpec, Fallback, Position, Protocol, Standing, Usage])
def test_every_member_of_an_event_is_specified(kind: type) -> None:
    assert {field.name for field in fields(kind)} <= named_in("journal.md")


def test_every_type_of_event_has_its_row() -> None:
    rows = re.findall(r"^\| `([a-z_]+)` \| .* \| .* \|$", PAGES["journal.md"], re.MULTILINE)
    assert set(WIRE_NAMES.values()) <= set(rows)


@pytest.mark.parametrize("name", NAMES)
def test_every_member_of_a_receipt_is_specified(name: str) -> None:
    document = json.loads((FOLDER / f"{name}.json").read_text())
    assert set(_members(document)) <= named_in("journal.md", "receipt.md")


@pytest.mark.parametrize("name", execution_receipts.VECTORS)
def test_every_member_of_an_executions_receipt_is_specified(name: str) -> None:
    document = json.loads((execution_receipts.FOLDER / f"{name}.json").read_text())
    del document["outputs"]  # their names are the author's
    assert set(_members(document)) <= named_in("execution.md")


def test_every_vector_is_told_and_each_shows_its_own_edition() -> None:
    assert re.findall(r"^\| `(\w+)` \|", PAGES["README.md"], re.MULTILINE)[-len(NAMES) :] == list(NAMES)
    for name in NAMES:
        opened = json.loads((FOLDER / f"{name}.jsonl").read_text().split("\n", 1)[0])
        assert ("positions" in opened["data"]["spec"]["protocol"]) is (name != OLD)


def _members(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
        for inner in value.values():
            yield from _members(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _members(inner)
