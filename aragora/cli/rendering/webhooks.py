"""What `aragora webhooks` prints: endpoints, dead letters, and each request that `listen` gets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from rich.console import Group, RenderableType
from rich.text import Text

from aragora.cli.rendering.layout import Indented, Listing
from aragora.cli.rendering.terminal import say
from aragora.cli.webhook_receiver import Received
from aragora.webhooks.checking import TOLERANCE_S, Checked, Signature

STATUS_STYLES: Final = {"enabled": "green", "paused": "yellow", "disabled": "red", "unverified": "yellow"}
SIGNATURE_STYLES: Final = {Signature.VALID: "green", Signature.WRONG: "bold red", Signature.MISSING: "red"}

_LABEL_CHARS: Final = 21


def webhooks_list(webhooks: Sequence[Mapping[str, Any]]) -> list[RenderableType]:
    """The table of endpoints, and under it what their owners should know of their client certificates."""
    return [webhooks_table(webhooks), *ending_certificates(webhooks)]


def webhooks_table(webhooks: Iterable[Mapping[str, Any]]) -> Listing:
    """One row for each endpoint with its `stats` and `last_success_at`. Of its URL only the host: the rest may be a
    token."""
    table = Listing(
        "webhook",
        "status",
        "receiver answers",
        "waiting",
        "dead",
        "last success (UTC)",
        "host",
        "events",
        wrapped=("receiver answers", "last success (UTC)", "host", "events"),
    )
    for webhook in webhooks:
        status, stats = str(webhook.get("status", "")), webhook.get("stats") or {}
        health = _health(stats)
        table.row(
            say(str(webhook.get("webhook_id", ""))),
            say(status, STATUS_STYLES.get(status, "")),
            say(health, "green" if health == "yes" else "yellow"),
            _number(stats.get("waiting")),
            _number(stats.get("dead_lettered")),
            moment(webhook.get("last_success_at")),
            say(_host(str(webhook.get("url", "")))),
            say(" ".join(webhook.get("events") or ())),
        )
    return table


def ending_certificates(webhooks: Iterable[Mapping[str, Any]]) -> list[Text]:
    """A line for each endpoint whose client certificate ends soon, or has ended."""
    ending = []
    for webhook in webhooks:
        certificate = webhook.get("client_certificate") or {}
        if certificate.get("expires_soon"):
            told = (
                f"{webhook.get('webhook_id')}: its client certificate ends {moment(certificate.get('not_after'))} UTC"
            )
            ending.append(say(told, "yellow"))
    return ending


def dead_letters_table(dead: Iterable[Mapping[str, Any]]) -> Listing:
    """One row for each dead letter."""
    table = Listing(
        "delivery",
        "event",
        "attempts",
        "dead since (UTC)",
        "webhook",
        "last error",
        wrapped=("dead since (UTC)", "last error"),
    )
    for one in dead:
        table.row(
            say(str(one.get("delivery_id", ""))),
            say(str(one.get("event_type", ""))),
            _number(one.get("attempts")),
            moment(one.get("ended_at")),
            say(str(one.get("webhook_id", ""))),
            say(str(one.get("last_error") or "-"), "red"),
        )
    return table


def received_block(received: Received, *, with_body: bool) -> Group:
    """A request that `listen` got, in some lines."""
    checked = received.checked
    place = "" if received.path == "/" else f" at {received.path}"
    heading = f"{datetime.fromtimestamp(received.at).astimezone():%H:%M:%S}  {received.event_type or 'no type'}{place}"
    lines = [
        _line("event", say(received.message_id or "no webhook-id")),
        _line("delivery", say(f"{received.delivery_id or '-'}, attempt {received.attempt or '-'}")),
        _line("webhook-signature", say(checked.standard, SIGNATURE_STYLES.get(checked.standard, ""))),
        _line("X-Webhook-Signature", say(_told(checked), SIGNATURE_STYLES.get(checked.runbook, ""))),
        _line("sent", _age(received)),
    ]
    if received.times > 1:
        lines.append(_line("repeated", say(f"this webhook-id for the {_ordinal(received.times)} time", "yellow")))
    lines.append(_line("body", say(f"{len(received.body):,} bytes{'' if received.is_json else ', no JSON'}")))
    lines.append(_line("answered", say(str(received.answered))))
    if received.challenge:
        back = received.sends_back
        lines.append(_line("challenge", say("sent back" if back else "not sent back", "green" if back else "red")))
    parts: list[RenderableType] = [say(heading, "bold"), Indented(lines)]
    if with_body:
        parts.append(say(received.body.decode("utf-8", "replace"), "dim"))
    return Group(*parts)


def received_document(received: Received) -> dict[str, Any]:
    """A request that `listen` got, for scripts."""
    return {
        "received_at": received.at,
        "path": received.path,
        "type": received.event_type or None,
        "message_id": received.message_id or None,
        "delivery_id": received.delivery_id or None,
        "attempt": received.attempt or None,
        "webhook_signature": received.checked.standard,
        "x_webhook_signature": received.checked.runbook,
        "age_s": received.checked.age_s,
        "genuine": received.checked.genuine,
        "times": received.times,
        "answered": received.answered,
        "challenge": received.challenge or None,
        "challenge_sent_back": received.sends_back,
        "body": received.body.decode("utf-8", "replace"),
    }


def answered_lines(answered: Mapping[str, Any], *, good: str | None, bad: str) -> list[Text]:
    """What a receiver did with one request that somebody asked for; `good` where it did as it should."""
    took = f"{float(answered.get('duration_s') or 0.0):.3f} s"
    code = answered.get("status")
    told = f"answered {code}" if code is not None else "did not answer"
    lines = [say(f"{good or bad}: the receiver {told} after {took}.", "red" if good is None else "green")]
    if good is None:
        lines.append(say(str(answered.get("message") or "")))
    if answered.get("text"):
        lines += [say("It said:", "dim"), say(str(answered["text"]))]
    return lines


def moment(at: object) -> str:
    """A time in seconds since the epoch, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M") if isinstance(at, int | float) else "-"


def _health(stats: Mapping[str, Any]) -> str:
    failures = stats.get("consecutive_failures") or 0
    breaker = str(stats.get("breaker", ""))
    if breaker in ("open", "half_open"):
        return f"no, breaker {breaker.replace('_', ' ')}"
    if failures or stats.get("failing_since") is not None:
        return f"failing, {failures} in a row" if failures else "failing"
    return "yes" if stats else "-"


def _told(checked: Checked) -> str:
    """What X-Webhook-Signature is worth: while a secret is changed it is by the new one only, and not wrong."""
    by_another = checked.standard is Signature.VALID and checked.runbook is Signature.WRONG
    return f"{checked.runbook}: by another secret, as while one is changed" if by_another else checked.runbook


def _age(received: Received) -> Text:
    age_s = received.checked.age_s
    if age_s is None:
        return say("no webhook-timestamp", "red")
    whole = int(age_s)  # the time that is sent has whole seconds
    told = f"{abs(whole):,} s {'ago' if whole >= 0 else 'in the future'}"
    return say(told) if received.checked.in_time else say(f"{told}: over {TOLERANCE_S // 60} minutes from now", "red")


def _line(label: str, value: Text) -> Text:
    return Text.assemble((label.ljust(_LABEL_CHARS), "dim"), value)


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc.rpartition("@")[2] or "-"
    except ValueError:
        return "-"


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else "-"


def _ordinal(number: int) -> str:
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
