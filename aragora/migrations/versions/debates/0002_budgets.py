"""Budgets by month: the accounts, what each debate holds in them, and an operator's limits for single organisations.
Keys of requests are unique per person.

What was spent in the current month is taken from its debates. Debates that run hold nothing yet, and count in the
current month when they end.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_ENDED: Final = ("completed", "failed", "cancelled")
_SPENT: Final = """
INSERT INTO accounts (account, month, spent, held)
SELECT org_id, :month, CAST(round(sum(cost_usd) * 1000000) AS BIGINT), 0 FROM debates
WHERE created_at >= :since AND status IN ('completed', 'failed', 'cancelled') AND cost_usd > 0 AND cost_usd < 1000000000
GROUP BY org_id
"""
_SUM: Final = """
INSERT INTO accounts (account, month, spent, held)
SELECT '', month, CAST(sum(spent) AS BIGINT), 0 FROM accounts GROUP BY month
"""
_LATER_KEYS: Final = """
UPDATE debates SET idempotency_key = NULL, request_hash = NULL
WHERE EXISTS (
  SELECT 1 FROM debates AS first WHERE first.org_id = debates.org_id
  AND first.idempotency_key = debates.idempotency_key AND first.debate_id <> debates.debate_id
  AND (first.created_at < debates.created_at
    OR (first.created_at = debates.created_at AND first.debate_id < debates.debate_id))
)
"""


def upgrade() -> None:
    with op.batch_alter_table("debates") as debates:
        debates.add_column(sa.Column("budget_month", sa.Text))
        debates.add_column(sa.Column("held_micros", sa.BigInteger, nullable=False, server_default="0"))
        debates.drop_constraint("debates_idempotency", type_="unique")
        debates.create_unique_constraint("debates_idempotency", ["org_id", "created_by", "idempotency_key"])
    op.create_table(
        "accounts",
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("month", sa.Text, nullable=False),
        sa.Column("spent", sa.BigInteger, nullable=False),
        sa.Column("held", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("account", "month"),
    )
    op.create_table(
        "budget_limits",
        sa.Column("org_id", sa.Text, nullable=False),
        sa.Column("micros", sa.BigInteger),
        sa.PrimaryKeyConstraint("org_id"),
    )
    now = dt.datetime.now(dt.UTC)
    month = f"{now:%Y-%m}"
    since = dt.datetime(now.year, now.month, 1, tzinfo=dt.UTC).timestamp()
    op.execute(sa.text(_SPENT).bindparams(month=month, since=since))
    op.execute(sa.text(_SUM))
    op.execute(
        sa.text("UPDATE debates SET budget_month = :month WHERE status NOT IN :ended").bindparams(
            sa.bindparam("ended", _ENDED, expanding=True), month=month
        )
    )


def downgrade() -> None:
    op.drop_table("budget_limits")
    op.drop_table("accounts")
    op.execute(sa.text(_LATER_KEYS))
    with op.batch_alter_table("debates") as debates:
        debates.drop_constraint("debates_idempotency", type_="unique")
        debates.create_unique_constraint("debates_idempotency", ["org_id", "idempotency_key"])
        debates.drop_column("held_micros")
        debates.drop_column("budget_month")
