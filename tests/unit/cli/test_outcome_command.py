"""`aragora outcome`: what is told is sent as the server takes it, and what was told is shown."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        (("--right", "ada"), {"right": "ada", "note": "", "at": None, "replaces": None}),
        (
            ("--right", "Start with a monolith.", "--note", "a year on", "--at", "2026-03-01T12:00Z"),
            {"right": "Start with a monolith.", "note": "a year on", "at": 1_772_366_400.0, "replaces": None},
        ),
        (("--none", "--replaces", "1"), {"right": None, "note": "", "at": None, "replaces": 1}),
    ],
)
async def test_an_outcome_is_sent_and_told(
    server: Any, type_command: Any, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], sent: dict[str, Any]
) -> None:
    assert await type_command("outcome", "deb_1", *arguments, "--url", server.url) == 0
    assert server.outcomes == [sent]
    told = capsys.readouterr().out
    held = "none of its answers held: the decision was not" if sent["right"] is None else f"{sent['right']} held"
    assert f"1. {held}" in " ".join(told.split())


async def test_without_an_answer_every_version_is_shown(
    server: Any, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await type_command("outcome", "deb_1", "--url", server.url) == 0
    assert server.outcomes == []
    told = " ".join(capsys.readouterr().out.split())
    assert "2. none of its answers held: the decision was not (seen 2026-03-01, told by local) It failed." in told
    assert "1. Start with a monolith. held: the decision was right" in told


@pytest.mark.parametrize(
    "arguments",
    [
        ("--right", "ada", "--none"),
        ("--note", "x"),
        ("--replaces", "1"),
        ("--at", "7d"),
        ("--right", "a", "--at", "soon"),
    ],
)
async def test_what_says_too_much_or_too_little_is_refused(
    server: Any, type_command: Any, arguments: tuple[str, ...]
) -> None:
    assert await type_command("outcome", "deb_1", *arguments, "--url", server.url) == 2
    assert server.outcomes == []
