"""`aragora doctor`: what is configured, what is reachable, what is wrong, and how to mend it."""

from __future__ import annotations

import asyncio
from typing import Final

import typer
from rich.console import Console

from aragora.cli import checkup, reachable
from aragora.cli.checkup import Finding, State
from aragora.cli.conventions import DEFAULT_URL, DONE, FAILED, AsJson, Token, Url
from aragora.cli.rendering.terminal import print_json, say, terminal
from aragora.config.legacy import HTTP_PORT, WS_PORT

PORTS: Final = (HTTP_PORT, WS_PORT)
MARKS: Final = {State.OK: ("✓", "green"), State.WARNING: ("!", "yellow"), State.FAULT: ("✗", "bold red")}


def doctor(url: Url = DEFAULT_URL, token: Token = None, as_json: AsJson = False) -> None:
    """Check the machine, the configuration and what it names. Exit code 1 where something is wrong."""
    findings = asyncio.run(_examine(url, token))
    if as_json:
        print_json(findings)
    else:
        _print(terminal(), findings)
    raise typer.Exit(FAILED if any(finding.state is State.FAULT for finding in findings) else DONE)


async def _examine(url: str, token: str | None) -> list[Finding]:
    settings, findings = checkup.read_settings()
    findings.append(checkup.memory())
    if settings is not None:
        findings += checkup.data_directory(settings.data_dir)
        findings += checkup.providers(settings)
        findings += await reachable.everything(settings)
    return findings + await checkup.server_and_ports(url, token, PORTS)


def _print(console: Console, findings: list[Finding]) -> None:
    for finding in findings:
        mark, style = MARKS[finding.state]
        console.print(say(f"{mark} {finding.subject}: {finding.told}", style))
        if finding.mend:
            console.print(say(f"    {finding.mend}", "dim"))
    wrong = sum(finding.state is State.FAULT for finding in findings)
    console.print(say(f"{wrong} wrong." if wrong else "Nothing is wrong.", "bold"))
