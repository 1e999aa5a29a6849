"""`aragora workflows`: the workflows of your organisation at a running server, and the templates to begin with."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import RenderableType

from aragora.cli.asking import at_the_server, tell_page
from aragora.cli.conventions import DEFAULT_URL, DONE, FAILED, AsJson, Token, Url
from aragora.cli.rendering.layout import Indented
from aragora.cli.rendering.terminal import print_json, say, terminal
from aragora.errors import InvalidInput
from aragora.ids import could_be_id
from aragora.texts import counted

PATH: Final = "/api/workflows"
TEMPLATES: Final = "/api/workflow-templates"
FILE_MAX_BYTES: Final = 1_000_000

workflows: Final = typer.Typer(
    help="List, show, check and make workflows.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _id(value: str) -> str:
    """An id, which becomes a part of a path. Raises InvalidInput."""
    if not could_be_id(value):
        raise InvalidInput(f"{value!r} is no id: 'aragora workflows list' shows them.")
    return value


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
    workflow_id: Annotated[str, typer.Argument(help="The workflow's id.", metavar="ID", callback=_id)],
    *,
    version: Annotated[int | None, typer.Option(min=1, help="This one; unset: the latest.")] = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Print a workflow's definition as JSON."""
    found = at_the_server(url, token, lambda client: client.get(f"{PATH}/{workflow_id}", version=version))
    print_json(found["definition"])


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
    begun = {"template": template} if file is None else {"definition": _document(file)}
    body = {**begun, "name": name, "workspace": workspace}
    made = at_the_server(url, token, lambda client: client.post(PATH, body))
    if as_json:
        print_json(made)
    else:
        terminal().print(say(f"Made {made['workflow_id']}: {made['name']}"))


@workflows.command()
def validate(file: File, *, url: Url = DEFAULT_URL, token: Token = None, as_json: AsJson = False) -> int:
    """Check a definition without keeping it; 1 where it has faults."""
    if file is None:
        raise InvalidInput("Name the file with the definition, or - for standard input.")
    body = {"definition": _document(file)}
    found = at_the_server(url, token, lambda client: client.post(f"{PATH}/validate", body))
    if as_json:
        print_json(found)
    else:
        terminal().print(*_verdict(found), sep="\n")
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


def _document(file: Path) -> Any:
    """What a file says. Raises InvalidInput where it cannot be read, is too large or no JSON."""
    try:
        if str(file) == "-":
            text = sys.stdin.read(FILE_MAX_BYTES + 1)
        else:
            with file.open(encoding="utf-8") as opened:
                text = opened.read(FILE_MAX_BYTES + 1)
        if len(text) > FILE_MAX_BYTES:
            raise InvalidInput(f"{file} has over {FILE_MAX_BYTES} characters; a definition has 64 KB at most.")
        return json.loads(text)
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError):
        raise InvalidInput(f"{file} is no JSON in UTF-8.") from None
