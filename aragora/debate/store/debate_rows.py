"""Rows of `debates` and the records they are: one place that knows the order of the columns.

Apart from the tables, because the journal's backends, which use it, work without SQLAlchemy and do not load it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any, Final

from aragora.debate.model import DebateStatus
from aragora.debate.records import DebateRecord, ReceiptRecord

COLUMNS: Final = tuple(field.name for field in fields(DebateRecord))
_STATUS: Final = COLUMNS.index("status")
_values: Final = attrgetter(*COLUMNS)


def record_of(row: Sequence[Any]) -> DebateRecord:
    """The record of a row whose columns are `COLUMNS` in their order."""
    values = list(row)
    values[_STATUS] = DebateStatus(values[_STATUS])
    return DebateRecord(*values)


def values_of(record: DebateRecord) -> tuple[Any, ...]:
    """The values of a record in the order of `COLUMNS`."""
    values: tuple[Any, ...] = _values(record)
    return values


def receipt_of(row: Sequence[Any]) -> ReceiptRecord:
    """The record of a row of `receipts`, columns in the order of the table."""
    return ReceiptRecord(*row)
