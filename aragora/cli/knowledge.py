"""`aragora knowledge`: what a running server knows: search it, add to it, ask why something is believed, and check the
receipts behind it on this machine."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import typer

from aragora import limits
from aragora.cli.asking import at_the_server, tell_page
from aragora.cli.conventions import DEFAULT_URL, DONE, FAILED, UNPROVEN, AsJson, Token, Url, named_like
from aragora.cli.knowledge_forget import forget, forgettings
from aragora.cli.knowledge_insights import insights, release, share, withdraw
from aragora.cli.knowledge_operate import adapters, reindex, sync
from aragora.cli.knowledge_revalidations import drop_revalidation, revalidations
from aragora.cli.knowledge_topics import topics
from aragora.cli.rendering.knowledge import found_lines, item_lines, items_table, proofs_table, reasons_lines
from aragora.cli.rendering.terminal import print_json, say, terminal
from aragora.cli.verify import own_keys
from aragora.client import AragoraClient
from aragora.errors import InvalidInput, NotFound
from aragora.ids import could_be_id, new_id
from aragora.knowledge.sameness import ITEM_ID
from aragora.receipts import verifying
from aragora.receipts.verifying import NotAReceipt

knowledge: Final = typer.Typer(
    help="Search, add, list and forget knowledge, ask why it is believed, and check its receipts.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
knowledge.command()(forget)
knowledge.command()(forgettings)
knowledge.command()(insights)
knowledge.command()(share)
knowledge.command()(withdraw)
knowledge.command()(release)
knowledge.command()(revalidations)
knowledge.command()(drop_revalidation)
knowledge.command()(topics)
knowledge.command()(adapters)
knowledge.command()(sync)
knowledge.command()(reindex)


_id = named_like(ITEM_ID, "item's id: 'aragora knowledge list' shows them.")


def _id_or_none(value: str | None) -> str | None:
    return None if value is None else _id(value)


ItemId = Annotated[str, typer.Argument(help="The item's id.", metavar="ID", callback=_id)]
In = Annotated[
    str | None,
    typer.Option("--workspace", help="Which workspace; unset: the token's, else default.", metavar="NAME"),
]
InAny = Annotated[
    str | None,
    typer.Option("--workspace", help="Which, * for all; unset: the token's, else default.", metavar="NAME"),
]
Kind = Annotated[str | None, typer.Option(help="Only items of this kind.", metavar="KIND")]
Topic = Annotated[str | None, typer.Option(help="Only items with this topic.", metavar="TOPIC")]


@knowledge.command()
def search(
    query: Annotated[str, typer.Argument(help="Words or a question.", metavar="QUERY")],
    *,
    limit: Annotated[int, typer.Option(min=1, max=100, help="Results at most.")] = 10,
    mode: Annotated[
        Literal["hybrid", "lexical", "semantic"], typer.Option(help="By words, meaning, or both.")
    ] = "hybrid",
    kind: Kind = None,
    topic: Topic = None,
    as_of: Annotated[str | None, typer.Option(help="What held then, as 2026-01-31.", metavar="TIME")] = None,
    within: Annotated[
        str | None, typer.Option(help="Only what this summary was made of.", metavar="ID", callback=_id_or_none)
    ] = None,
    workspace: InAny = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Search what is known, the best first. Nothing found is an answer."""
    asked: dict[str, str | int | None] = {
        "q": query,
        "limit": limit,
        "mode": mode,
        "kind": kind,
        "topic": topic,
        "as_of": as_of,
        "within": within,
    }
    answer = at_the_server(
        url, token, lambda client: client.page("/api/knowledge/search", "results", **asked, workspace=workspace)
    )
    tell_page(answer, lambda: found_lines(answer), as_json=as_json)


@knowledge.command()
def add(
    text: Annotated[str, typer.Argument(help="What to keep; - reads it from standard input.", metavar="TEXT")],
    *,
    kind: Annotated[
        Literal["fact", "evidence", "belief", "insight", "critique_pattern", "open_question", "note"],
        typer.Option(help="What it is."),
    ] = "note",
    topic: Annotated[
        list[str] | None, typer.Option("--topic", help="May be given several times.", metavar="TOPIC")
    ] = None,
    domain: Annotated[str | None, typer.Option(help="The domain it belongs to.", metavar="NAME")] = None,
    subject: Annotated[str | None, typer.Option(help="What it is about.", metavar="TEXT")] = None,
    relation: Annotated[str | None, typer.Option(help="What it says of that.", metavar="TEXT")] = None,
    value: Annotated[str | None, typer.Option(help="The value it gives.", metavar="TEXT")] = None,
    valid_from: Annotated[str | None, typer.Option(help="When it begins to hold.", metavar="TIME")] = None,
    valid_to: Annotated[str | None, typer.Option(help="When it holds no more.", metavar="TIME")] = None,
    confidence: Annotated[float | None, typer.Option(min=0, max=1, help="How sure you are.", metavar="N")] = None,
    document: Annotated[str | None, typer.Option(help="The document that says so.", metavar="ADDRESS")] = None,
    passage: Annotated[str | None, typer.Option(help="Its words.", metavar="TEXT")] = None,
    workspace: In = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Add an item: your own word, or with --document what stands there. What is there already is supported."""
    fields = {
        "content": _text(text),
        "kind": kind,
        "topics": topic or None,
        "domain": domain,
        "subject": subject,
        "relation": relation,
        "value": value,
        "valid_from": valid_from,
        "valid_to": valid_to,
        "confidence": confidence,
        "document": document,
        "passage": passage,
        "workspace": workspace,
    }
    body = {name: given for name, given in fields.items() if given is not None}
    key = new_id("add")
    item = at_the_server(url, token, lambda client: client.post("/api/knowledge/items", body, idempotency_key=key))
    if as_json:
        print_json(item)
        return
    console = terminal()
    console.print(say("Added." if item.get("effect") == "added" else "It was there; you support it now."))
    console.print(*item_lines(item), sep="\n")
    if item.get("lookalikes"):
        words = ", ".join(map(str, item["lookalikes"]))
        console.print(say(f"These words mix letters of two alphabets: {words}", "yellow"))


@knowledge.command("list")
def listing(
    *,
    kind: Kind = None,
    topic: Topic = None,
    status: Annotated[
        Literal["live", "disputed", "superseded", "quarantined", "forgotten"] | None,
        typer.Option(help="Only items in this state."),
    ] = None,
    debate: Annotated[str | None, typer.Option("--debate", help="Only what came of this debate.", metavar="ID")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="Rows of one page.")] = 20,
    cursor: Annotated[str | None, typer.Option(help="Where the page starts; each page ends with it.")] = None,
    workspace: InAny = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List items, newest first; quarantined ones only with --status."""
    asked: dict[str, str | int | None] = {
        "kind": kind,
        "topic": topic,
        "status": status,
        "debate_id": debate,
        "limit": limit,
        "cursor": cursor,
    }
    page = at_the_server(
        url, token, lambda client: client.page("/api/knowledge/items", "items", **asked, workspace=workspace)
    )
    tell_page(page, lambda: [items_table(page["items"])], as_json=as_json)


@knowledge.command()
def why(item_id: ItemId, *, url: Url = DEFAULT_URL, token: Token = None, as_json: AsJson = False) -> None:
    """Say why an item is believed: sources, receipts, and what raised and lowered it."""
    reasons = at_the_server(url, token, lambda client: client.get(f"/api/knowledge/items/{item_id}/why"))
    if as_json:
        print_json(reasons)
    else:
        terminal().print(*reasons_lines(reasons), sep="\n")


@knowledge.command()
def verify(item_id: ItemId, *, url: Url = DEFAULT_URL, token: Token = None, as_json: AsJson = False) -> None:
    """Check the receipts behind an item on this machine. Exit code 1 where one is missing, not valid or another than
    the item names, or there is none; 4 where nobody here knows a key that signed."""

    async def work(client: AragoraClient) -> list[dict[str, Any]]:
        item = await client.get(f"/api/knowledge/items/{item_id}")
        sources = item.get("sources") or () if isinstance(item, dict) else ()
        of_debates = {str(one["debate_id"]): one for one in sources if one.get("debate_id")}
        return [await _checked(client, debate_id, source) for debate_id, source in of_debates.items()]

    rows = at_the_server(url, token, work)
    states = {row["state"] for row in rows}
    if as_json:
        print_json({"item_id": item_id, "receipts": rows})
    elif rows:
        terminal().print(proofs_table(rows))
    else:
        terminal().print(say(f"Behind {item_id} stands no debate: there is no receipt to check.", "yellow"))
    if not rows or states & {"invalid", "other", "missing"}:
        raise typer.Exit(FAILED)
    raise typer.Exit(UNPROVEN if "unknown signer" in states else DONE)


async def _checked(client: AragoraClient, debate_id: str, source: Mapping[str, Any]) -> dict[str, Any]:
    """What the receipt of one source says, checked here: the server's word for it is not asked."""
    row = {"debate_id": debate_id, "receipt_id": source.get("receipt_id")}
    if not could_be_id(debate_id):
        return {**row, "state": "invalid", "detail": "this is no debate's id"}
    try:
        document = verifying.parse(await client.document(f"/api/debates/{debate_id}/receipt"))
    except NotFound as away:
        return {**row, "state": "missing", "detail": away.message}
    except NotAReceipt as wrong:
        return {**row, "state": "invalid", "detail": str(wrong)}
    valid, checks = verifying.verify(document, None)
    if not valid:
        failed = next((one for one in checks if not one["passed"]), {})
        return {**row, "state": "invalid", "detail": f"{failed.get('name')}: {failed.get('detail')}"}
    if source.get("receipt_hash") not in (None, document["hash"]) or document.get("debate_id") != debate_id:
        return {**row, "state": "other", "detail": "it is valid, and not the one that the item names"}
    known = document["public_key"] in own_keys()
    return {**row, "state": "valid" if known else "unknown signer", "detail": f"signed by {document['key_id']}"}


def _text(given: str) -> str:
    """What to keep. Raises InvalidInput where it is blank."""
    text = sys.stdin.read(limits.KNOWLEDGE_MAX_CHARS + 1) if given == "-" else given
    if not text.strip():
        raise InvalidInput("There is nothing to keep: give a text.")
    return text
