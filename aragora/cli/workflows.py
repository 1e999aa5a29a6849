"""`aragora workflows`: the workflows of your organisation at a running server, and the templates to begin with.

A change and a deletion name the version that was read: what somebody else has changed meanwhile is not lost."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import RenderableType

from aragora.cli.asking import at_the_server, tell_one, tell_page
from aragora.cli.conventions import DEFAULT_URL, DONE, FAILED, AsJson, Token, Url, Yes, require_agreement
from aragora.cli.documents import json_in
from aragora.cli.rendering.layout import Indented
from aragora.cli.rendering.terminal import print_json, say, terminal
from aragora.client import AragoraClient
from aragora.errors import Conflict, InvalidInput
from aragora.ids import could_be_id
from aragora.texts import counted

PATH: Final = "/api/workflows"
TEMPLATES: Final = "/api/workflow-templates"

workflows: Final = typer.Typer(
    help="List, show, check, make, change and delete workflows.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _id(value: str) -> str:
    """An id, which becomes a part of a path. Raises InvalidInput."""
    if not could_be_id(value):
        raise InvalidInput(f"{value!r} is no id: 'aragora workflows list' shows them.")
    return value


WorkflowId = Annotated[str, typer.Argument(help="The workflow's id.", metavar="ID", callback=_id)]
File = Annotated[Path | None, typer.Argument(help="A definition in JSON; - for standard input.", metavar="FILE")]


@workflows.command("list")
def listing(
    *,
    search: Annotated[str | None, typer.Option(help="A part of the name.", metavar="TEXT")] = None,
    tag: Annotated[str | None, typer.Option(help="Only those with this tag.", metavar="TAG")] = None,
    workspace: Annotated[str | None, typer.Option(help="Of this one; unset: your usual one.", metavar="NAME")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="Rows of one page.")] = 20,
    cursor: Annotated[str | None, typer.Option(help="Where the page starts; each page ends with it.")] = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List workflows, newest first."""
    asked = {"search": search, "tag": tag, "workspace": workspace, "limit": limit, "cursor": cursor}
    found = at_the_server(url, token, lambda client: client.page(PATH, "workflows", **asked))
    tell_page(found, lambda: [_row(one) for one in found["workflows"]] or [say("There is none.")], as_json=as_json)


@workflows.command()
def show(
    workflow_id: WorkflowId,
    *,
    version: Annotated[int | None, typer.Option(min=1, help="This one; unset: the latest.")] = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Print a workflow's definition as JSON.

    Standard error tells its version."""
    found = at_the_server(url, token, lambda client: client.get(f"{PATH}/{workflow_id}", version=version))
    print_json(found["definition"])
    shown, latest = found["shown_version"], found["version"]
    told = f"version {shown}" if shown == latest else f"version {shown}; the latest is {latest}"
    sys.stderr.write(f"aragora: {told}\n")


@workflows.command()
def create(
    file: File = None,
    *,
    template: Annotated[str | None, typer.Option(help="Begin with this one.", metavar="NAME")] = None,
    name: Annotated[str | None, typer.Option(help="In place of its own name.")] = None,
    workspace: Annotated[str | None, typer.Option(help="In this one; unset: your usual one.", metavar="NAME")] = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Make a workflow of a file or a template."""
    if (file is None) == (template is None):
        raise InvalidInput("Give either a file or --template: 'aragora workflows templates' lists these.")
    begun = {"template": template} if file is None else {"definition": json_in(file)}
    body = {**begun, "name": name, "workspace": workspace}
    made = at_the_server(url, token, lambda client: client.post(PATH, body))
    if as_json:
        print_json(made)
    else:
        terminal().print(say(f"Made {made['workflow_id']}: {made['name']}"))


@workflows.command()
def change(
    workflow_id: WorkflowId,
    file: Annotated[Path, typer.Argument(help="The new definition in JSON; - for standard input.", metavar="FILE")],
    *,
    version: Annotated[int, typer.Option(min=1, help="The version that you read, and that this replaces.")],
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Give a workflow another definition. What has begun goes on with its own."""
    body = {"definition": json_in(file)}

    async def changed(client: AragoraClient) -> Any:
        try:
            return await client.patch(f"{PATH}/{workflow_id}", body, if_match=f'"{version}"')
        except Conflict as refused:
            raise await _explained(client, workflow_id, refused, "change it with --version {}") from None

    made = at_the_server(url, token, changed)
    if as_json:
        print_json(made)
    elif made["version"] == version:
        terminal().print(say(f"{workflow_id} is so already, at version {version}."))
    else:
        terminal().print(say(f"{workflow_id} is at version {made['version']}: {made['name']}"))


@workflows.command()
def delete(
    workflow_id: WorkflowId,
    *,
    version: Annotated[
        int | None, typer.Option(min=1, help="The version that you read; unset: it is told, and you are asked.")
    ] = None,
    yes: Yes = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Take a workflow away. Its versions stay for what was executed."""
    seen = version
    if seen is None:
        head = at_the_server(url, token, lambda client: client.get(f"{PATH}/{workflow_id}"))
        seen = int(head["version"])
        require_agreement(f"Delete {head['name']!r}, version {seen}, last changed by {head['updated_by']}?", yes=yes)

    async def deleted(client: AragoraClient) -> None:
        try:
            await client.delete(f"{PATH}/{workflow_id}", if_match=f'"{seen}"')
        except Conflict as refused:
            raise await _explained(client, workflow_id, refused, "delete it with --version {}") from None

    at_the_server(url, token, deleted)
    terminal().print(say(f"Deleted {workflow_id}."))


async def _explained(client: AragoraClient, workflow_id: str, refused: Conflict, then: str) -> Conflict:
    """The refusal; where somebody else changed the workflow meanwhile, with who it was and what to do."""
    if refused.code != "version_conflict":
        return refused
    head = await client.get(f"{PATH}/{workflow_id}")
    number = head["version"]
    return Conflict(
        f"It was changed by someone else: version {number} is by {head['updated_by']}. Look at it with "
        f"'aragora workflows show {workflow_id}', then {then.format(number)}.",
        code=refused.code,
    )


@workflows.command()
def validate(file: File, *, url: Url = DEFAULT_URL, token: Token = None, as_json: AsJson = False) -> int:
    """Check a definition without keeping it; 1 where it has faults."""
    if file is None:
        raise InvalidInput("Name the file with the definition, or - for standard input.")
    body = {"definition": json_in(file)}
    found = at_the_server(url, token, lambda client: client.post(f"{PATH}/validate", body))
    tell_one(found, lambda: _verdict(found), as_json=as_json)
    return DONE if found["ok"] else FAILED


@workflows.command()
def templates(*, url: Url = DEFAULT_URL, token: Token = None, as_json: AsJson = False) -> None:
    """List the templates."""
    found = at_the_server(url, token, lambda client: client.page(TEMPLATES, "templates"))

    def lines() -> list[RenderableType]:
        return [
            line
            for one in found["templates"]
            for line in (say(str(one.get("template_id")), "bold"), Indented([say(str(one.get("description")))]))
        ]

    tell_page(found, lines, as_json=as_json)


def _row(one: Mapping[str, Any]) -> RenderableType:
    head = say(str(one.get("workflow_id")), "dim")
    head.append_text(say(f"  {one.get('name')}", "bold"))
    head.append_text(say(f"  version {one.get('version')}, by {one.get('updated_by')}", "dim"))
    return head


def _verdict(found: Mapping[str, Any]) -> list[RenderableType]:
    faults = [say(f"{one.get('path') or 'the document'}: {one.get('message')}") for one in found["faults"]]
    if faults:
        return [say(counted(len(faults), "fault") + ":", "red"), *faults]
    bounds = found.get("bounds") or {}
    usd = bounds.get("usd")
    most = "no budget bounds its cost" if usd is None else f"it costs ${usd:g} at most"
    return [say(f"Sound. It runs {counted(int(bounds.get('step_runs') or 0), 'step')} at most; {most}.")]
