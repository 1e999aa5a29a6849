"""What the commands print at any width: a terminal folds it, a pipe gets it as it is, and nothing is cut."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console, RenderableType
from worlds import debating

from aragora.cli.rendering.events import decision_panel, render
from aragora.cli.rendering.tables import agents_table, debates_table
from aragora.cli.rendering.terminal import terminal
from aragora.debate.hints import OfferedCrux, OfferedIssue, OfferedPrior
from aragora.debate.knowledge import NotOffered
from aragora.debate.model import (
    Abstained,
    AgreementChallenged,
    AnswerGiven,
    AnswersGrouped,
    AskKind,
    ConsensusMode,
    CritiqueGiven,
    DebateOpened,
    Decision,
    Dissent,
    KnowledgeCited,
    KnowledgeOffered,
    PersonSuggested,
    Tally,
    Usage,
    VoteCast,
)

from .conftest import FakeServer

LONG = " ".join(f"reason {number}" for number in range(400)) + " THE-END."
USAGE = Usage("stub", "stub-1", 10, 20, 31.5, 0.5)
AGENT = "openai-api-skeptic-with-a-long-name"
REMARKS = (f"{LONG} of the first remark", f"{LONG} of the second")
DECISION = Decision(
    reached=True,
    answer=f"{LONG} of the answer",
    winner=AGENT,
    confidence=0.75,
    mode=ConsensusMode.MAJORITY,
    tallies=(Tally(AGENT, 1, 1.0, tuple(f"voter-number-{number}" for number in range(12))),),
    dissent=(Dissent("bob", AGENT, f"{LONG} of the dissent"),),
    rounds=1,
    cost_usd=31.5,
    explanation=f"{LONG} of the explanation",
)
SHOWN: dict[str, tuple[RenderableType | None, tuple[str, ...]]] = {
    "decision": (
        decision_panel(DECISION),
        (DECISION.answer, DECISION.explanation, DECISION.dissent[0].reason, "$31.5000", "voter-number-11", "1 round"),
    ),
    "answer": (
        render(
            AnswerGiven(1, AGENT, "q1", AskKind.PROPOSE, f"{LONG} of the answer", 0.9, (f"{LONG} of the fact",), USAGE)
        ),
        (f"{LONG} of the answer", f"{LONG} of the fact", "$31.5000"),
    ),
    "critique": (
        render(CritiqueGiven(1, AGENT, "bob", "q1", (f"{LONG} of the issue",), (f"{LONG} of the idea",), 0.5, USAGE)),
        (f"{LONG} of the issue", f"{LONG} of the idea"),
    ),
    "vote": (
        render(VoteCast(1, AGENT, "q1", AskKind.VOTE, "bob", 0.9, f"{LONG} of the vote", (), USAGE)),
        (f"{LONG} of the vote",),
    ),
    "answer with remarks": (
        render(AnswerGiven(1, AGENT, "q1", AskKind.PROPOSE, "Yes.", 0.9, (), USAGE, remarks=REMARKS)),
        ("Yes.", *(f"note: {remark}" for remark in REMARKS)),
    ),
    "critique with remarks": (
        render(CritiqueGiven(1, AGENT, "bob", "q1", ("vague",), (), 0.5, USAGE, remarks=REMARKS)),
        ("vague", *(f"note: {remark}" for remark in REMARKS)),
    ),
    "vote with remarks": (
        render(VoteCast(1, AGENT, "q1", AskKind.VOTE, "bob", 0.9, "clear", (), USAGE, remarks=REMARKS)),
        ("clear", *(f"note: {remark}" for remark in REMARKS)),
    ),
    "grouping with remarks": (
        render(AnswersGrouped(1, AGENT, "q1", (("ann", "bob"),), "same", USAGE, remarks=REMARKS)),
        ("1 position", *(f"note: {remark}" for remark in REMARKS)),
    ),
    "abstention with remarks": (
        render(Abstained(1, AGENT, "q1", AskKind.VOTE, "cannot tell", USAGE, remarks=REMARKS)),
        ("cannot tell", *(f"note: {remark}" for remark in REMARKS)),
    ),
    "challenge": (render(AgreementChallenged(1, (), f"{LONG} of the challenge")), (f"{LONG} of the challenge",)),
    "suggestion": (render(PersonSuggested(1, "ann", f"{LONG} of the person", "s1")), (f"{LONG} of the person",)),
    "agents": (
        agents_table(
            [{"name": AGENT, "provider": "openai", "model": "m" * 60, "last_error": f"{LONG} of the error"}], {}
        ),
        (AGENT, "m" * 60, f"{LONG} of the error"),
    ),
    "debates": (
        debates_table([{"debate_id": "deb_01a21312633b705aa1f0", "status": "completed", "question": f"{LONG} asked"}]),
        ("deb_01a21312633b705aa1f0", f"{LONG} asked"),
    ),
}


def printed(shown: RenderableType | None, *, width: int, on_terminal: bool) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=on_terminal, highlight=False, color_system=None)
    console.soft_wrap = not on_terminal
    assert shown is not None
    console.print(shown)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def letters(text: str) -> str:
    """`text` without what folding and frames put between its characters."""
    return re.sub(r"[\s│─╭╮╰╯]", "", text)


@pytest.mark.parametrize("width", [20, 80])
@pytest.mark.parametrize("name", SHOWN)
def test_in_a_pipe_every_text_stands_whole_on_its_line(name: str, width: int) -> None:
    shown, texts = SHOWN[name]
    told = printed(shown, width=width, on_terminal=False)
    for text in texts:
        assert text in told
    assert "│" not in told


@pytest.mark.parametrize("width", [20, 80])
@pytest.mark.parametrize("name", SHOWN)
def test_a_terminal_folds_texts_and_loses_no_letter(name: str, width: int) -> None:
    shown, texts = SHOWN[name]
    told = printed(shown, width=width, on_terminal=True)
    for text in texts:  # a cell of several lines has its neighbours between them: then its words are there
        assert letters(text) in letters(told) or set(text.split()) <= set(told.split())


def test_a_terminal_of_80_columns_shows_ids_and_names_on_one_line() -> None:
    assert "deb_01a21312633b705aa1f0" in printed(SHOWN["debates"][0], width=80, on_terminal=True)
    assert AGENT in printed(SHOWN["agents"][0], width=80, on_terminal=True)


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=300))
def test_whatever_an_agent_writes_is_whole_in_a_pipe(text: str) -> None:
    given_answer = AnswerGiven(1, "ada", "q1", AskKind.PROPOSE, text, 0.9, (text,), USAGE)
    told = printed(render(given_answer), width=20, on_terminal=False)
    assert f"\n  {text}\n  · {text}\n" in told


@pytest.mark.parametrize("columns", ["20", "80"])
async def test_every_command_that_reads_prints_whole_texts_in_a_pipe(
    columns: str, server: FakeServer, type_command: Any, monkeypatch: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    for arguments, text in (
        (("ask", "Monolith?"), "deployment is simpler"),
        (("show", "deb_1"), "deployment is simpler"),
        (("replay", "deb_1"), "deployment is simpler"),
        (("debates",), "deb_1   completed  1       2023-11-14 22:13  Monolith?  Start with a monolith."),
        (("agents",), "ada    stub      stub-1"),
    ):
        assert await type_command(*arguments, "--url", server.url) == 0
        told = capsys.readouterr().out
        assert text in told
        assert "Start with a monolith." in told or arguments[0] in {"debates", "agents"}
        assert "1 rounds" not in told


def test_a_forced_terminal_in_a_pipe_folds_as_a_terminal_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    console = terminal()
    assert console.is_terminal
    assert not console.soft_wrap


@pytest.mark.parametrize("terminals", ["ascii", "latin-1"])
async def test_a_terminal_without_utf_8_is_no_reason_to_fail_and_json_stays_json(
    terminals: str, server: FakeServer, type_command: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.questions = {"deb_1": "Käse oder 🦉?"}
    for arguments in (("show", "deb_1"), ("debates",), ("verify", "deb_1", "--any-key"), ("replay", "deb_1")):
        output = io.BytesIO()
        monkeypatch.setattr("sys.stdout", io.TextIOWrapper(output, encoding=terminals, write_through=True))
        assert await type_command(*arguments, "--url", server.url) == 0
        assert output.getvalue().decode(terminals)
    output = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(output, encoding=terminals))
    assert await type_command("show", "deb_1", "--url", server.url, "--json") == 0
    assert json.loads(output.getvalue())["question"] == "Käse oder 🦉?"


def test_an_agent_that_asks_what_its_server_offers_first_says_so() -> None:
    shown = agents_table([{"name": "local", "provider": "local", "model": ""}], {})
    assert "its server's first chat model" in printed(shown, width=200, on_terminal=False)


def test_settings_that_were_taken_from_what_suits_the_workspace_are_shown() -> None:
    spec = debating.spec_of(suggested=("rounds 2: 11 of 12 debates settled by the first round",))
    shown = plain(render(DebateOpened(spec)))
    assert "As suits the workspace: rounds 2: 11 of 12 debates settled by the first round" in shown
    assert "As suits" not in plain(render(DebateOpened(debating.spec_of())))


def test_what_a_debate_is_offered_and_cites_is_shown_in_a_line_each() -> None:
    offered = plain(render(debating.offer_of(debating.item_of(1, "Tea\x1b[31m is \u202emild."))))
    assert "Offered 1 item of earlier knowledge:" in offered
    assert "K1 fact, 2023-11-14, confidence: likely: Tea" in offered
    assert "\x1b" not in offered
    assert "\u202e" not in offered
    assert plain(render(KnowledgeCited(1, "bob", "a", ("K1", "K2")))).strip() == "bob cites K1, K2"
    unknown = plain(render(KnowledgeCited(1, "bob", "a", (), ("K7", "K9"))))
    assert unknown.strip() == "bob cites nothing that was offered; never offered: K7, K9"


def test_what_critics_are_to_check_is_shown_beside_what_is_offered_and_without_it() -> None:
    issues = (OfferedIssue("It names\x1b[31m no source.", "kn_1", 3, 0.75),)
    for event in (KnowledgeOffered(why=NotOffered.NONE), debating.offer_of(debating.item_of(1))):
        shown = plain(render(replace(event, checklist=issues)))
        assert plain(render(event)) in shown
        assert "Critics are to check what earlier debates turned on:" in shown
        assert "no source. (3 debates, of use in 75%)" in shown
        assert "\x1b" not in shown


def test_what_earlier_debates_make_of_the_question_is_shown_as_such() -> None:
    priors = (OfferedPrior("three\x1b[31m replicas", "kn_1", 0.734, 2, 3),)
    cruxes = (OfferedCrux("The disk is the bottleneck.", "kn_2", 2),)
    shown = plain(render(KnowledgeOffered(why=NotOffered.NONE, priors=priors, cruxes=cruxes)))
    assert "shown and not to be followed:" in shown
    assert "replicas: 0.73 over 3 independent debates, 2 of them for it" in shown
    assert "- The disk is the bottleneck." in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize("why", NotOffered)
def test_why_a_debate_is_offered_nothing_is_said(why: NotOffered) -> None:
    assert plain(render(KnowledgeOffered(why=why))).strip().endswith(".")


def plain(shown: RenderableType | None) -> str:
    assert shown is not None
    console = Console(file=io.StringIO(), width=200)
    console.print(shown)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]
