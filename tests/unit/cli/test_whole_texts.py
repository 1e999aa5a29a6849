"""Whatever agents write is printed to its last word, by every command that tells of a debate, at any width, on a
terminal and in a pipe."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from aragora.debate.model import AnswerGiven, CritiqueGiven, Event, VoteCast

from .conftest import DECISION, FakeServer, debate_events

DECIDED = ("answer", "explanation", "dissent")
SAID = ("proposal", "evidence", "issue", "suggestion", "vote")


def long(of: str) -> str:
    """A text of some 4,000 characters whose last words say what it is."""
    return " ".join(f"reason {number}" for number in range(350)) + f" THE END. of the {of}"


def said(event: Event) -> Event:
    """The event with long texts in all places for them."""
    match event:
        case AnswerGiven():
            return replace(event, content=long("proposal"), evidence=(long("evidence"),))
        case CritiqueGiven():
            return replace(event, issues=(long("issue"),), suggestions=(long("suggestion"),))
        case VoteCast():
            return replace(event, reason=long("vote"))
        case _:
            return event


@pytest.fixture
def wordy(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    """A server whose agents write much; `aragora demo` takes it for the one that it has started."""
    dissent = replace(DECISION.dissent[0], reason=long("dissent"))
    server.decision = replace(
        DECISION, answer=long("answer"), explanation=long("explanation"), dissent=(dissent,), cost_usd=31.5
    )
    server.events = tuple(said(event) for event in debate_events(decision=server.decision))

    @asynccontextmanager
    async def started(*_args: object) -> AsyncIterator[str]:
        yield server.url

    monkeypatch.setattr("aragora.cli.demo.local_server", started)
    return server


@pytest.mark.parametrize("columns", ["20", "80", "250"])
@pytest.mark.parametrize("on_terminal", [False, True])
@pytest.mark.parametrize(
    ("command", "texts"),
    [
        (("ask", "Monolith?"), (*SAID, *DECIDED)),
        (("demo", "Monolith?"), (*SAID, *DECIDED)),
        (("replay", "deb_1"), (*SAID, *DECIDED)),
        (("show", "deb_1"), DECIDED),
    ],
)
async def test_the_end_of_every_text_is_there(
    command: tuple[str, ...],
    texts: tuple[str, ...],
    *,
    columns: str,
    on_terminal: bool,
    wordy: FakeServer,
    type_command: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    if on_terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
    at = () if command[0] == "demo" else ("--url", wordy.url)
    assert await type_command(*command, *at) == 0
    told = capsys.readouterr().out
    if on_terminal:
        told = letters(told)
    for text in texts:
        assert (letters(long(text)) if on_terminal else long(text)) in told, text
    assert "$31.5000" in told


def letters(shown: str) -> str:
    """What a terminal shows without colours, and without what folding and frames put between the characters."""
    return re.sub(r"\x1b\[[0-9;]*m|[\s│─╭╮╰╯]", "", shown)
