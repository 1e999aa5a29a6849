"""Encrypt what was stored in plaintext, and re-encrypt what is under an old key.

    python -m aragora.storage.migrations.encrypt_existing_data --all             # looks, changes nothing
    python -m aragora.storage.migrations.encrypt_existing_data --all --execute

Safe while the server runs; may be interrupted and run again. A store in which nothing failed is marked: from then on a
secret that rests in plaintext in it is refused, by the server and by this command, unless --accept-plaintext.

Exit code 0: all records are fine; 1: some failed (each is logged); 2: nothing could be done (no key, no tables), with
the reason; 3: the store cannot be reached now.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections.abc import Sequence

from aragora.clock import SystemClock
from aragora.composition.encrypted_stores import STORES, marks, opened
from aragora.config.settings import Settings, settings_in
from aragora.errors import AragoraError, Misconfigured, Unavailable
from aragora.identity.store.users import MFA_STORE
from aragora.integrations.stores import CONNECTORS, GMAIL_TOKENS, INTEGRATIONS
from aragora.migrations import add_data_dir
from aragora.migrations.history import require_current
from aragora.observability.registry import Registry
from aragora.private_files import make_files_private
from aragora.secrets.encryption import EncryptionService
from aragora.secrets.keyring import Keyring
from aragora.storage.contexts import Context, store_of
from aragora.storage.counters import CounterStore
from aragora.storage.database import Database
from aragora.storage.reencryption import Outcome, Reencryption, Rewritable, Summary
from aragora.typed_commands import code_of_run
from aragora.webhooks.store.direct_secrets import DELIVERY_STORE
from aragora.webhooks.store.endpoints import ENDPOINT_STORE

_FLAGS = {
    "--sync-store": (CONNECTORS.name, "credentials of connectors"),
    "--integration-store": (INTEGRATIONS.name, "settings of integrations"),
    "--gmail-tokens": (GMAIL_TOKENS.name, "OAuth tokens of mail accounts"),
    "--mfa-secrets": (MFA_STORE, "secrets of second factors"),
    "--webhooks": (ENDPOINT_STORE, "addresses and secrets of webhooks"),
    "--webhook-deliveries": (DELIVERY_STORE, "addresses and secrets of deliveries to unregistered webhooks"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    make_files_private()
    options = _parser().parse_args(arguments)
    names = STORES if options.all else tuple(dict.fromkeys(options.stores or ()))
    if not names:
        _parser().print_usage(sys.stderr)
        _say("Name the stores: --all, or one or more of " + ", ".join(_FLAGS), error=True)
        return 2
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.WARNING, format="%(levelname)s %(message)s", force=True
    )
    for noisy in ("aiosqlite", "asyncio", "asyncpg"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    return code_of_run(lambda: _told(options, names))


def _told(options: argparse.Namespace, names: tuple[str, ...]) -> int:
    try:
        accepted = frozenset(names if options.accept_plaintext else ())
        settings = settings_in(options.data_dir)
        _say(f"Store: {store_of(settings)}")
        return asyncio.run(_run(settings, names, accepted, execute=options.execute))
    except Unavailable as away:
        _say(away.message, error=True)
        return 3
    except AragoraError as error:
        _say(error.message, error=True)
        return 2
    except KeyboardInterrupt:
        _say("What was migrated stays migrated; run the command again to go on.", error=True)
        raise


async def _run(settings: Settings, names: tuple[str, ...], accepted: frozenset[str], *, execute: bool) -> int:
    if settings.encryption_key is None:
        raise Misconfigured("ARAGORA_ENCRYPTION_KEY is not set: without it nothing can be encrypted permanently.")
    await require_current(settings, Context.CORE, Context.USERS, Context.WEBHOOKS)
    registry = Registry()
    crypto = EncryptionService(Keyring.parse(settings.encryption_key.get_secret_value()), registry)
    work = Reencryption(crypto, SystemClock(), registry, execute)
    _say(f"Active key: {crypto.get_active_key_id()}" + ("" if execute else "  (dry run: nothing is changed)"))
    try:
        async with marks(settings, SystemClock()) as noted, opened(settings, names) as stores:
            crypto.refuse_plaintext_in(await noted.all() - accepted)
            summaries = [await _one(work, name, stores[name]) for name in names]
            for summary in summaries:
                if execute and not summary.counts[Outcome.FAILED]:
                    await noted.add(summary.store)
    finally:
        if execute:
            await _keep_counts(settings, registry)
    _show(summaries, execute=execute)
    return 1 if any(summary.counts[Outcome.FAILED] for summary in summaries) else 0


async def _one(work: Reencryption, name: str, records: Rewritable) -> Summary:
    from rich.console import Console  # noqa: PLC0415  only the command draws
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task(name, total=await records.count())
        return await work.run(name, records, lambda: progress.advance(bar))


async def _keep_counts(settings: Settings, registry: Registry) -> None:
    """Add this run's figures to the durable counters, so that /metrics shows them."""
    database = Database.open(settings, Context.CORE)
    try:
        await CounterStore(database).add(registry.drain())
    except AragoraError as error:
        _say(f"The figures of this run are not in the metrics: {error.message}", error=True)
    finally:
        await database.aclose()


def _show(summaries: Sequence[Summary], *, execute: bool) -> None:
    for summary in summaries:
        _say(str(summary))
    total = {outcome: sum(summary.counts[outcome] for summary in summaries) for outcome in Outcome}
    _say("Total: " + ", ".join(f"{count} {outcome}" for outcome, count in total.items()))
    if not execute and total[Outcome.MIGRATED]:
        _say("Run again with --execute to migrate them.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m aragora.storage.migrations.encrypt_existing_data",
        description="Encrypt plaintext secrets and re-encrypt those under an old key. A dry run unless --execute.",
    )
    add_data_dir(parser)
    parser.add_argument("--all", action="store_true", help="all stores")
    for flag, (store, text) in _FLAGS.items():
        parser.add_argument(flag, dest="stores", action="append_const", const=store, help=text)
    parser.add_argument("--execute", action="store_true", help="change the records; without it they are only looked at")
    parser.add_argument(
        "--accept-plaintext", action="store_true", help="encrypt plaintext also where it is refused: restored old data"
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="a line for every record")
    return parser


def _say(text: str, *, error: bool = False) -> None:
    print(text, file=sys.stderr if error else sys.stdout)
