"""`aragora knowledge forget` and `forgettings`: have the mound forget, keep the certificate, look at earlier ones."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from aragora.cli.asking import at_the_server, tell, tell_page
from aragora.cli.conventions import DEFAULT_URL, AsJson, Token, Url, Yes, require_agreement
from aragora.cli.rendering.layout import Listing
from aragora.cli.rendering.webhooks import moment
from aragora.client import AragoraClient
from aragora.errors import InvalidInput
from aragora.ids import could_be_id, new_id
from aragora.texts import counted

FORGET_S: Final = 300.0
"""Many items take their time, and the answer comes when they are gone."""


def forget(
    item: Annotated[list[str] | None, typer.Argument(help="Ids of items.", metavar="[ITEM]...")] = None,
    *,
    subject: Annotated[str | None, typer.Option(help="All that is about it.", metavar="TEXT")] = None,
    query: Annotated[str | None, typer.Option(help="All that holds all of these words.", metavar="WORDS")] = None,
    debate: Annotated[str | None, typer.Option(help="What this debate said.", metavar="ID")] = None,
    user: Annotated[
        str | None, typer.Option(help="What this person said, and the debates they opened.", metavar="ID")
    ] = None,
    insight: Annotated[
        list[str] | None,
        typer.Option(help="A shared insight, by its share id; may be given several times.", metavar="ID"),
    ] = None,
    workspace: Annotated[str | None, typer.Option(help="Where; unset: your usual one.", metavar="NAME")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    certificate: Annotated[
        Path | None, typer.Option(help="Write the certificate there, for verify_receipt.py.", metavar="FILE")
    ] = None,
    yes: Yes = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Forget knowledge for good, with a certificate of what went.

    Journals and receipts of the debates that said it stay; the certificate names them."""
    named = {
        "item_ids": item or None,
        "subject": subject,
        "query": query,
        "debate_id": debate,
        "user_id": user,
        "insight_ids": insight or None,
    }
    by = {name: value for name, value in named.items() if value is not None}
    if len(by) != 1:
        raise InvalidInput("Name one: ids of items, --subject, --query, --debate, --user or --insight.")
    body = {"by": by} | ({} if workspace is None else {"workspace": workspace})

    async def ask(client: AragoraClient, *, dry: bool) -> dict[str, Any]:
        key = None if dry else new_id("key")
        asked = {**body, "dry_run": dry}
        answer: dict[str, Any] = await client.post("/api/knowledge/forget", asked, idempotency_key=key)
        return answer

    if dry_run or not yes:
        planned = at_the_server(url, token, lambda client: ask(client, dry=True), timeout_s=FORGET_S)
        if dry_run:
            tell(planned, f"{_told(planned)} would go.", as_json=as_json)
            return
        require_agreement(f"{_told(planned)} would go for good. Forget?", yes=yes)
    done = at_the_server(url, token, lambda client: ask(client, dry=False), timeout_s=FORGET_S)
    if certificate is not None:
        _write(certificate, done.get("certificate"))
    more = " Further items fit: say it again." if done.get("more") else ""
    tell(done, f"{_told(done)} went. Certificate {done.get('certificate_id')}.{more}", as_json=as_json)


def forgettings(
    forgetting_id: Annotated[str | None, typer.Argument(help="One of them.", metavar="[ID]")] = None,
    *,
    workspace: Annotated[
        str | None, typer.Option(help="Of this one, or * for all; unset: your usual one.", metavar="NAME")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="Rows of one page.")] = 20,
    cursor: Annotated[str | None, typer.Option(help="Where the page starts; each page ends with it.")] = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List what was forgotten, newest first; with an id, show one."""
    if forgetting_id is not None:
        if not could_be_id(forgetting_id):
            raise InvalidInput(f"{forgetting_id!r} is no id: 'aragora knowledge forgettings' shows them.")
        path = f"/api/knowledge/forgettings/{forgetting_id}"
        found: dict[str, Any] = at_the_server(url, token, lambda client: client.get(path))
        tell(found, f"{_told(found)} went. Certificate {found.get('certificate_id')}.", as_json=as_json)
        return
    asked = {} if workspace is None else {"workspace": workspace}
    page = at_the_server(
        url,
        token,
        lambda client: client.page("/api/knowledge/forgettings", "forgettings", limit=limit, cursor=cursor, **asked),
    )
    tell_page(page, lambda: [_table(page["forgettings"])], as_json=as_json)


def _told(done: Mapping[str, Any]) -> str:
    """How much it is: `3 items and 1 insight, and what it said in 1 other item,`."""
    gone = counted(len(done.get("forgotten") or ()), "item")
    if shared := len(done.get("insights") or ()):
        gone += f" and {counted(shared, 'insight')}"
    lost = len(done.get("withdrawn") or ())
    return f"{gone}, and that word in {counted(lost, 'other item')}," if lost else gone


def _table(listed: Iterable[Mapping[str, Any]]) -> Listing:
    table = Listing("forgetting", "asked (UTC)", "by", "items", "stage", wrapped=("asked (UTC)",))
    for one in listed:
        table.row(
            str(one.get("forgetting_id", "")),
            moment(one.get("at")),
            str((one.get("by") or {}).get("kind", "")),
            str(len(one.get("forgotten") or ())),
            str(one.get("stage", "")),
        )
    return table


def _write(certificate: Path, document: object) -> None:
    """Raises InvalidInput where the file cannot be written: what was forgotten stays so."""
    try:
        certificate.write_text(json.dumps(document, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise InvalidInput(
            f"It is forgotten, but {str(certificate)!r} cannot be written ({error.strerror}): "
            "'aragora knowledge forgettings --json ID' shows the certificate."
        ) from None
