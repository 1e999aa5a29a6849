"""`aragora sign`: one verdict, sent as the server takes it."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        (("--approve",), {"verdict": "approve", "note": "", "answer": "", "option": ""}),
        (("--veto", "--note", "too dear"), {"verdict": "veto", "note": "too dear", "answer": "", "option": ""}),
        (
            ("--approve", "--need", "role:member"),
            {"verdict": "approve", "note": "", "answer": "", "option": "", "need": "role:member"},
        ),
        (
            ("--change", "Tea.", "--option", "tea"),
            {"verdict": "change", "note": "", "answer": "Tea.", "option": "tea"},
        ),
    ],
)
async def test_a_verdict_is_sent_and_told(
    server: Any, type_command: Any, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], sent: dict[str, str]
) -> None:
    assert await type_command("sign", "deb_1", *arguments, "--url", server.url) == 0
    assert server.signed == [sent]
    assert "Signed. deb_1 is completed" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [(), ("--approve", "--veto"), ("--approve", "--change", "x"), ("--approve", "--option", "tea")]
)
async def test_no_verdict_or_two_are_refused(
    server: Any, type_command: Any, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert await type_command("sign", "deb_1", *arguments, "--url", server.url) == 2
    assert server.signed == []
    assert "--change TEXT" in capsys.readouterr().err
