"""`aragora webhooks`: the endpoints of your organisation at a running server, and their dead letters; `listen` receives
deliveries on this machine and needs no server.

A secret is never an argument, and is printed once only: when the server makes it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from aragora.cli.asking import at_the_server, tell, tell_page
from aragora.cli.conventions import (
    DEFAULT_URL,
    DONE,
    FAILED,
    AsJson,
    Token,
    Url,
    Yes,
    require_agreement,
    secret_in,
)
from aragora.cli.rendering.plain import plain
from aragora.cli.rendering.terminal import print_json, say, terminal
from aragora.cli.rendering.webhooks import answered_lines, dead_letters_table, moment, webhooks_list
from aragora.cli.webhook_certificates import ClientCert, ClientKey, client_certificate
from aragora.cli.webhook_listen import listen
from aragora.cli.webhook_replays import replay, replays
from aragora.client import AragoraClient
from aragora.errors import InvalidInput, NotFound
from aragora.ids import could_be_id
from aragora.texts import counted

AT_ONCE: Final = 8
"""Requests that `list` has on their way: it asks twice for each endpoint."""
TEST_S: Final = 60.0
MANY_S: Final = 300.0

webhooks: Final = typer.Typer(
    help="List, add, test, mend and replay webhooks, or receive them here.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
dead_letters: Final = typer.Typer(
    help="List what could not be delivered; retry and purge it.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
webhooks.add_typer(dead_letters, name="dead-letters")
webhooks.command()(listen)


def _id(value: str | None) -> str | None:
    """An id, which becomes a part of a path. Raises InvalidInput."""
    if value is not None and not could_be_id(value):
        raise InvalidInput(
            f"{value!r} is no id: 'aragora webhooks list' and 'aragora webhooks dead-letters' show them."
        )
    return value


WebhookId = Annotated[str, typer.Argument(help="The webhook's id.", metavar="ID", callback=_id)]
DeliveryId = Annotated[
    str | None, typer.Argument(help="The delivery's id.", metavar="[ID]", callback=_id, show_default=False)
]
All = Annotated[bool, typer.Option("--all", help="All dead letters, or those that the options choose.")]
OfWebhook = Annotated[
    str | None, typer.Option("--webhook", help="Only those of this webhook.", metavar="ID", callback=_id)
]
OfType = Annotated[str | None, typer.Option("--event", help="Only those of this type of event.", metavar="TYPE")]
Signed = Annotated[
    Literal["hmac", "ed25519"] | None,
    typer.Option("--signature", help="By a secret that both share, or by a key whose public half the receiver gets."),
]
SecretFile = Annotated[
    Path | None,
    typer.Option(
        "--secret-file",
        help="File with a secret of your own, - for standard input; unset: one is made.",
        metavar="FILE",
    ),
]


@webhooks.command("list")
def listing(
    *,
    status: Annotated[
        Literal["enabled", "paused", "disabled", "unverified"] | None, typer.Option(help="Only those in this state.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="Rows of one page.")] = 20,
    cursor: Annotated[str | None, typer.Option(help="Where the page starts; each page ends with it.")] = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List your organisation's webhooks, and how they fare."""

    async def work(client: AragoraClient) -> dict[str, Any]:
        page = await client.page("/api/webhooks", "webhooks", status=status, limit=limit, cursor=cursor)
        slots = asyncio.Semaphore(AT_ONCE)
        page["webhooks"] = await asyncio.gather(*(_with_figures(client, row, slots) for row in page["webhooks"]))
        return page

    page = at_the_server(url, token, work)
    tell_page(page, lambda: webhooks_list(page["webhooks"]), as_json=as_json)


@webhooks.command()
def add(
    endpoint: Annotated[str, typer.Argument(help="Where events are to go.", metavar="ENDPOINT")],
    *,
    event: Annotated[
        list[str],
        typer.Option(
            "--event", help="A type of event, or '*' for all but the frequent ones; may be given several times."
        ),
    ],
    secret_file: SecretFile = None,
    signature: Signed = None,
    client_cert: ClientCert = None,
    client_key: ClientKey = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Send nothing until the receiver has answered a challenge.")
    ] = False,
    description: Annotated[str, typer.Option(help="What it is for.", metavar="TEXT")] = "",
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Add a webhook. Its secret is printed this once: on standard output, all else on standard error. Of an Ed25519 key
    that is the public half."""
    body: dict[str, object] = {"url": endpoint, "events": event, "description": description}
    chosen = _chosen(secret_file)
    body |= {} if signature is None else {"signature": signature}
    body |= client_certificate(client_cert, client_key) | ({"verify": True} if verify else {})
    made = at_the_server(url, token, lambda client: client.post("/api/webhooks", body | chosen))
    webhook_id = made.get("webhook_id")
    gets = f"{webhook_id} gets {', '.join(event)}"
    told = f"{gets} once 'aragora webhooks verify {webhook_id}' was answered." if verify else f"{gets}."
    _give_secret(made, told, chosen, as_json=as_json)


@webhooks.command()
def verify(webhook_id: WebhookId, *, url: Url = DEFAULT_URL, token: Token = None, as_json: AsJson = False) -> None:
    """Send the receiver a challenge. The webhook is enabled where it sends it back. Five a minute."""
    path = f"/api/webhooks/{webhook_id}/verify"
    done = at_the_server(url, token, lambda client: client.post(path, {}), timeout_s=TEST_S)
    if as_json:
        print_json(done)
    elif done.get("verified") and done.get("status") is None:  # nothing was sent
        terminal().print(say(f"Nothing to do: {done.get('message')}."))
    else:
        _print_answered(done, "Verified" if done.get("verified") else None, "Not verified")
    raise typer.Exit(DONE if done.get("verified") else FAILED)


@webhooks.command("test")
def send_test(
    webhook_id: WebhookId,
    *,
    event: Annotated[
        str | None, typer.Option("--event", help="The type whose example is sent.", metavar="TYPE")
    ] = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Send an example once, and say what the receiver did. It counts for nothing; five a minute."""
    body = {} if event is None else {"event_type": event}
    tested = at_the_server(
        url, token, lambda client: client.post(f"/api/webhooks/{webhook_id}/test", body), timeout_s=TEST_S
    )
    if as_json:
        print_json(tested)
    else:
        bad = f"Not delivered ({tested.get('error')})"
        _print_answered(tested, "Delivered" if tested.get("delivered") else None, bad)
    raise typer.Exit(DONE if tested.get("delivered") else FAILED)


@webhooks.command()
def rotate(
    webhook_id: WebhookId,
    *,
    overlap_hours: Annotated[
        float | None,
        typer.Option(min=0, max=168, help="How long the old secret signs too; unset: 24.", metavar="N"),
    ] = None,
    secret_file: SecretFile = None,
    signature: Signed = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Change the secret. The new one is printed this once, and for a while both sign."""
    chosen = _chosen(secret_file)
    body: dict[str, object] = {} if overlap_hours is None else {"overlap_hours": overlap_hours}
    body |= {} if signature is None else {"signature": signature}
    made = at_the_server(url, token, lambda client: client.post(f"/api/webhooks/{webhook_id}/rotate", body | chosen))
    ends = made.get("old_secrets_end_at") or ()
    told = f"the one before signs too until {moment(max(ends))} UTC" if ends else "no other secret signs any more"
    _give_secret(made, f"{webhook_id} has a new secret; {told}.", chosen, as_json=as_json)


webhooks.command()(replay)
webhooks.command()(replays)


# --- Dead letters


@dead_letters.callback(invoke_without_command=True)
def list_dead_letters(
    context: typer.Context,
    *,
    webhook: OfWebhook = None,
    event: OfType = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="Rows of one page.")] = 20,
    cursor: Annotated[str | None, typer.Option(help="Where the page starts; each page ends with it.")] = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List the deliveries that have no retries left, the last one first; `retry` and `purge` follow below."""
    if context.invoked_subcommand is not None:
        _refuse_options_before(context)
        return
    query = {"webhook_id": webhook, "event_type": event, "limit": limit, "cursor": cursor}
    page = at_the_server(url, token, lambda client: client.page("/api/webhooks/dead-letters", "dead_letters", **query))
    tell_page(page, lambda: [dead_letters_table(page["dead_letters"])], as_json=as_json)


@dead_letters.command()
def retry(
    delivery_id: DeliveryId = None,
    *,
    every: All = False,
    webhook: OfWebhook = None,
    event: OfType = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Send dead letters again. They keep their ids, and have all their retries."""
    chosen = _which(delivery_id, every=every, webhook=webhook, event=event)
    if delivery_id is not None:
        path = f"/api/webhooks/dead-letters/{delivery_id}/retry"
        revived = at_the_server(url, token, lambda client: client.post(path, {}))
        tell(revived, f"{delivery_id} waits for its next attempt.", as_json=as_json)
        return

    async def work(client: AragoraClient) -> dict[str, Any]:
        return await _until_done(client, "retry", chosen, "retried")

    done = at_the_server(url, token, work, timeout_s=MANY_S)
    skipped = f"; {counted(done['skipped'], 'other')} passed over: the webhook is gone" if done["skipped"] else ""
    tell(done, f"{counted(done['retried'], 'delivery', 'deliveries')} will be tried again{skipped}.", as_json=as_json)


@dead_letters.command()
def purge(
    delivery_id: DeliveryId = None,
    *,
    every: All = False,
    webhook: OfWebhook = None,
    event: OfType = None,
    yes: Yes = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Delete dead letters for good."""
    chosen = _which(delivery_id, every=every, webhook=webhook, event=event)
    if delivery_id is not None:
        require_agreement(f"Delete {delivery_id} for good?", yes=yes)
        at_the_server(url, token, lambda client: client.delete(f"/api/webhooks/dead-letters/{delivery_id}"))
        tell({"purged": 1}, f"{delivery_id} is gone.", as_json=as_json)
        return
    what = " and ".join(f"{name} {value}" for name, value in (("webhook", webhook), ("event", event)) if value)
    require_agreement(f"Delete all dead letters{f' of {what}' if what else ''} for good?", yes=yes)

    async def work(client: AragoraClient) -> dict[str, Any]:
        return await _until_done(client, "purge", chosen, "purged")

    done = at_the_server(url, token, work, timeout_s=MANY_S)
    tell(done, f"Deleted {counted(done['purged'], 'dead letter')}.", as_json=as_json)


# --- What the commands share


async def _with_figures(client: AragoraClient, webhook: Mapping[str, Any], slots: asyncio.Semaphore) -> dict[str, Any]:
    """An endpoint with its figures of today, and when the newest event that reached it did so."""
    path = f"/api/webhooks/{webhook.get('webhook_id')}"
    try:
        async with slots:
            stats = await client.get(f"{path}/stats")
        async with slots:
            newest = await client.page(f"{path}/deliveries", "deliveries", status="DELIVERED", limit=1)
    except NotFound:  # somebody has deleted it meanwhile
        return {**webhook, "stats": None, "last_success_at": None}
    rows = newest["deliveries"]
    return {**webhook, "stats": stats, "last_success_at": rows[0].get("ended_at") if rows else None}


async def _until_done(client: AragoraClient, action: str, chosen: Mapping[str, str], count: str) -> dict[str, Any]:
    """Do it to all that are chosen: the server takes some thousands with one call. Returns its last answer with the
    sum of `count`. A call that did nothing ends it, whatever it says of others."""
    total = 0
    while True:
        done: dict[str, Any] = await client.post(f"/api/webhooks/dead-letters/{action}", dict(chosen))
        total += int(done[count])
        if not done["more"] or not done[count]:
            return {**done, count: total}


def _which(delivery_id: str | None, *, every: bool, webhook: str | None, event: str | None) -> dict[str, str]:
    """What is chosen among all. Raises InvalidInput unless either one or all are named."""
    chosen = {name: value for name, value in (("webhook_id", webhook), ("event_type", event)) if value is not None}
    if (delivery_id is None) == (not every):
        raise InvalidInput("Name one delivery by its id, or say --all (with --webhook or --event: all of those).")
    if delivery_id is not None and chosen:
        raise InvalidInput("--webhook and --event choose among --all; a single delivery has its id.")
    return chosen


def _refuse_options_before(context: typer.Context) -> None:
    """An option that stands before `retry` or `purge` would be passed over in silence, and all be purged."""
    given = [name for name in context.params if str(context.get_parameter_source(name)).endswith("COMMANDLINE")]
    if given:
        raise InvalidInput(f"Write the options after {context.invoked_subcommand}, not before it.")


def _chosen(secret_file: Path | None) -> dict[str, object]:
    return {} if secret_file is None else {"secret": secret_in(secret_file)}


def _give_secret(made: Mapping[str, Any], told: str, chosen: Mapping[str, object], *, as_json: bool) -> None:
    """Print a secret that was made, once. One that was chosen is not repeated, in no form. Of an Ed25519 key its public
    half is printed, which is no secret."""
    public = made.get("public_key")
    if as_json:
        hidden = {"secret", "standard_secret"} if chosen else set()
        print_json({name: value for name, value in made.items() if name not in hidden})
    elif public or not chosen:
        sys.stdout.write(f"{plain(str(public or made.get('secret', '')))}\n")
        sys.stdout.flush()
    sys.stderr.write(f"{plain(told)}\n")
    if public:
        sys.stderr.write("Its receiver checks signatures with this public key, which is no secret.\n")
    elif not chosen:
        sys.stderr.write("This is the only time that its secret is shown: give it to the receiver now.\n")


def _print_answered(answered: Mapping[str, Any], good: str | None, bad: str) -> None:
    console = terminal()
    for line in answered_lines(answered, good=good, bad=bad):
        console.print(line)
