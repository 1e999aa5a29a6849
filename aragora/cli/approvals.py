"""`aragora approvals`: what workflows ask people, and the answers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

import typer

from aragora.cli.asking import at_the_server, tell_one, tell_page
from aragora.cli.conventions import (
    DEFAULT_URL,
    FAILED,
    AsJson,
    Token,
    Url,
    Yes,
    named_like,
    require_agreement,
)
from aragora.cli.rendering.approvals import approval_lines, listed_lines, results_lines
from aragora.cli.rendering.terminal import print_json, terminal
from aragora.client import AragoraClient
from aragora.errors import InvalidInput
from aragora.texts import counted

PATH: Final = "/api/workflow-approvals"
AT_ONCE_MAX: Final = 50  # as many as the server takes

approvals: Final = typer.Typer(
    help="List what workflows ask people, show it, and answer.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_id = named_like(re.compile("apr_[A-Za-z0-9._:-]{1,124}"), "approval's id: 'aragora approvals list' shows them.")


def _ids(values: list[str]) -> list[str]:
    return [_id(value) for value in dict.fromkeys(values)]


ApprovalId = Annotated[str, typer.Argument(help="The approval's id.", metavar="ID", callback=_id)]
ApprovalIds = Annotated[list[str], typer.Argument(help="The approvals' ids.", metavar="ID", callback=_ids)]
Comment = Annotated[str, typer.Option(help="Why; everybody who reads the approval sees it.", metavar="TEXT")]
Bypass = Annotated[bool, typer.Option("--bypass", help="In place of those that are asked; needs --comment.")]
Digest = Annotated[
    str | None,
    typer.Option(help="That of the one approval as you read it; unset: it is shown, and you are asked.", metavar="HEX"),
]


@approvals.command("list")
def listing(
    *,
    mine: Annotated[bool, typer.Option("--mine", help="Only those that await your answer.")] = False,
    overdue: Annotated[bool, typer.Option("--overdue", help="Only those whose deadline has passed.")] = False,
    status: Annotated[
        Literal["pending", "approved", "rejected", "expired", "closed"] | None,
        typer.Option(help="Only those that stand so.", show_choices=True),
    ] = None,
    workspace: Annotated[
        str | None, typer.Option(help="Which, * for all; unset: your usual one.", metavar="NAME")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many at most.")] = 20,
    cursor: Annotated[str | None, typer.Option(help="Where the page before ended.", metavar="CURSOR")] = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List approvals: what waits first, by its deadline, then what is closed."""
    asked: dict[str, Any] = {"status": status, "workspace": workspace, "limit": limit, "cursor": cursor}
    asked |= {name: "true" for name, wanted in (("mine", mine), ("overdue", overdue)) if wanted}
    page = at_the_server(url, token, lambda client: client.page(PATH, "approvals", **asked))
    tell_page(page, lambda: listed_lines(page), as_json=as_json)


@approvals.command()
def show(
    approval_id: ApprovalId,
    *,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Show an approval: what is decided on, by whom, and what follows."""
    found = at_the_server(url, token, lambda client: client.get(f"{PATH}/{approval_id}"))
    tell_one(found, lambda: approval_lines(found), as_json=as_json)


@approvals.command()
def approve(
    approval_ids: ApprovalIds,
    *,
    tick: Annotated[
        list[str] | None,
        typer.Option(help="An item of the checklist; may be given several times.", metavar="ITEM"),
    ] = None,
    comment: Comment = "",
    digest: Digest = None,
    bypass: Bypass = False,
    yes: Yes = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Approve, after you have seen what. An answer is final."""
    word = {"decision": "approve", "comment": comment, "checklist": tick or [], "bypass": bypass}
    _answered(url, token, approval_ids, word, digest, yes=yes, as_json=as_json)


@approvals.command()
def reject(
    approval_ids: ApprovalIds,
    *,
    comment: Comment = "",
    digest: Digest = None,
    bypass: Bypass = False,
    yes: Yes = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Reject, after you have seen what. An answer is final."""
    word = {"decision": "reject", "comment": comment, "bypass": bypass}
    _answered(url, token, approval_ids, word, digest, yes=yes, as_json=as_json)


def _answered(
    url: str,
    token: str | None,
    approval_ids: Sequence[str],
    word: Mapping[str, Any],
    digest: str | None,
    *,
    yes: bool,
    as_json: bool,
) -> None:
    if len(approval_ids) > AT_ONCE_MAX or (digest is not None and len(approval_ids) > 1):
        raise InvalidInput(f"Name {AT_ONCE_MAX} approvals at most, and one where you give its --digest.")
    digests = {approval_ids[0]: digest} if digest is not None else _read(url, token, approval_ids, word, yes=yes)
    answers = [{**word, "approval_id": one, "digest": read} for one, read in digests.items()]
    told = at_the_server(url, token, lambda client: client.post(f"{PATH}/resolve", {"answers": answers}))
    if as_json:
        print_json(told)
    else:
        terminal().print(*results_lines(told), sep="\n")
    if any(one.get("error") for one in told["results"]):
        raise typer.Exit(FAILED)


def _read(
    url: str, token: str | None, approval_ids: Sequence[str], word: Mapping[str, Any], *, yes: bool
) -> dict[str, str]:
    """The digests of the approvals as they are now, once the person has seen them and agrees."""

    async def read(client: AragoraClient) -> list[Mapping[str, Any]]:
        return [await client.get(f"{PATH}/{one}") for one in approval_ids]

    found = at_the_server(url, token, read)
    if not yes:
        for one in found:
            terminal().print(*approval_lines(one), sep="\n")
    require_agreement(f"{str(word['decision']).capitalize()} {counted(len(found), 'approval')}?", yes=yes)
    return {one["approval_id"]: one["digest"] for one in found}
