"""`aragora doctor`: what is configured, what is reachable, what is wrong, and how to mend it."""

from __future__ import annotations

import asyncio
from typing import Final

import typer
from rich.console import Console

from aragora.cli.checkup import configuration, machine, reachable
from aragora.cli.checkup.finding import Finding, State
from aragora.cli.exits import DONE, FAILED
from aragora.cli.options import DEFAULT_URL, AsJson, Token, Url
from aragora.cli.rendering.terminal import print_json, say, terminal

PORTS: Final = (8080, 8765)
MARKS: Final = {State.OK: ("✓", "green"), State.WARNING: ("!", "yellow"), State.FAULT: ("✗", "bold red")}


def doctor(url: Url = DEFAULT_URL, token: Token = None, as_json: AsJson = False) -> None:
    """Check machine, configuration and surroundings. Exit code 1 where something is wrong."""
    findings = asyncio.run(_examine(url, token))
    if as_json:
        print_json(findings)
    else:
        _print(terminal(), findings)
    raise typer.Exit(FAILED if any(finding.state is State.FAULT for finding in findings) else DONE)


async def _examine(url: str, token: str | None) -> list[Finding]:
    settings, findings = configuration.settings()
    findings.append(machine.memory())
    if settings is not None:
        findings += machine.data_directory(settings.data_dir)
        findings += configuration.providers(settings)
        findings += await reachable.everything(settings)
    return findings + await machine.server_and_ports(url, token, PORTS)


def _print(console: Console, findings: list[Finding]) -> None:
    for finding in findings:
        mark, style = MARKS[finding.state]
        console.print(say(f"{mark} {finding.subject}: {finding.told}", style))
        if finding.mend:
            console.print(say(f"    {finding.mend}", "dim"))
    wrong = sum(finding.state is State.FAULT for finding in findings)
    console.print(say(f"{wrong} wrong." if wrong else "Nothing is wrong.", "bold"))
