"""`aragora budget`: what this month has cost, and the limit of a single organisation. It works on the store, so the
server need not run; a limit holds from the next debate on, and who sets one stands in the audit log."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from aragora import limits
from aragora.cli.conventions import AsJson, DataDir, organisation
from aragora.cli.rendering.plain import plain
from aragora.cli.rendering.terminal import print_json
from aragora.composition.operator import opened_office
from aragora.config.settings import Settings, settings_in
from aragora.debate.budget import INSTALLATION, MICROS, Balance, micros_of
from aragora.debate.store.budgets import BudgetOverview, BudgetStore
from aragora.errors import InvalidInput
from aragora.migrations.history import require_current
from aragora.storage.contexts import Context
from aragora.storage.database import Database


def budget(
    org: Annotated[
        str | None, typer.Argument(help="An organisation's id; unset: all.", metavar="ORG", callback=organisation)
    ] = None,
    usd: Annotated[
        str | None,
        typer.Argument(help="What its debates of a month may cost: USD, 'none' or 'default'.", metavar="USD"),
    ] = None,
    *,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show what this month has cost, or set what a single organisation may spend in a month."""
    settings = settings_in(data_dir)
    month = f"{datetime.now(UTC):%Y-%m}"
    overview = asyncio.run(_run(settings, month, org, usd))
    rows = list(_rows(settings, overview, org))
    if as_json:
        print_json({"month": month, "accounts": rows})
        return
    typer.echo(f"Budgets of {month} (UTC), in USD")
    for row in rows:
        limit = "no limit" if row["limit_usd"] is None else f"limit {row['limit_usd']:.2f}"
        own = ", set for it alone" if row["own_limit"] else ""
        name = row["org_id"] or "this installation"
        typer.echo(f"{plain(name)}: spent {row['spent_usd']:.6f}, held {row['held_usd']:.6f}, {limit}{own}")


async def _run(settings: Settings, month: str, org: str | None, usd: str | None) -> BudgetOverview:
    await require_current(settings, Context.DEBATES)
    database = Database.open(settings, Context.DEBATES)
    try:
        store = BudgetStore(database)
        if org is not None and usd is not None:
            await _set(settings, store, org, usd)
        return await store.overview(month)
    finally:
        await database.aclose()


async def _set(settings: Settings, store: BudgetStore, org: str, usd: str) -> None:
    limit = None if usd in ("default", "none") else micros_of(_sum(usd))
    async with opened_office(settings) as office:
        await office.note("budget.set", org, usd=usd)
    if usd == "default":
        await store.follow_settings(org)
    else:
        await store.limit(org, limit)


def _sum(usd: str) -> float:
    try:
        value = float(usd)
    except ValueError:
        value = -1.0
    if not 0 <= value <= limits.BUDGET_MAX_USD:
        raise InvalidInput(
            f"{usd[:40]!r} is no budget: give USD from 0 to {limits.BUDGET_MAX_USD}, 'none' for no limit, or 'default' "
            "for the setting ARAGORA_ORG_BUDGET_USD."
        )
    return value


def _rows(settings: Settings, overview: BudgetOverview, org: str | None) -> Iterator[dict[str, Any]]:
    """A row for the organisation, also where it has spent nothing yet; for None one for each account."""
    everybody = {INSTALLATION, *overview.balances, *overview.overrides}
    for account in sorted(everybody if org is None else {org}):
        balance = overview.balances.get(account, Balance())
        limit = settings.installation_month_usd if account == INSTALLATION else settings.org_month_usd
        own = account in overview.overrides
        if own:
            micros = overview.overrides[account]
            limit = None if micros is None else micros / MICROS
        yield {
            "org_id": account,
            "spent_usd": balance.spent / MICROS,
            "held_usd": balance.held / MICROS,
            "limit_usd": limit,
            "own_limit": own,
        }
