"""Every link between the documents leads somewhere, and every command they show exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aragora.cli.main import COMMANDS

ROOT = Path(__file__).parents[3]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
COMMAND = re.compile(r"(?:^|[`;&] ?)(?:\S*/bin/)?aragora ([a-z]+)\b", re.MULTILINE)


def ids(document: Path) -> str:
    return str(document.relative_to(ROOT))


@pytest.mark.parametrize("document", DOCUMENTS, ids=ids)
def test_links_lead_to_files_and_headings_that_exist(document: Path) -> None:
    for target in LINK.findall(document.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, heading = target.partition("#")
        place = (document.parent / name).resolve() if name else document
        assert place.exists(), f"{target} leads nowhere"
        assert place.is_relative_to(ROOT), f"{target} leads out of the project"
        if heading:
            assert heading in headings(place), f"{target}: no such heading"


@pytest.mark.parametrize("document", DOCUMENTS, ids=ids)
def test_commands_that_are_shown_exist(document: Path) -> None:
    assert set(COMMAND.findall(document.read_text())) <= COMMANDS.keys()


def test_every_decision_is_listed() -> None:
    listed = (ROOT / "docs/adr/README.md").read_text()
    assert all(page.name in listed for page in (ROOT / "docs/adr").glob("0*.md"))


def headings(document: Path) -> set[str]:
    lines = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in lines}
