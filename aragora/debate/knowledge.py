"""Knowledge of earlier debates and other sources as a debate sees it: what its opening was offered, or why nothing.

Pure data. What is offered is fixed in the journal before the first ask, so that a replay sees what the agents saw,
whatever became of the items since. Who offers is `aragora.debate.ports.KnowledgeSource`.

Bounds
    At most `ITEMS_MAX` items. An item's text and its dissent have `ITEM_MAX_CHARS` characters together, all items of an
    offer `OFFER_MAX_CHARS`. Labels are K1, K2, ... in the order of the items. `fitted` holds an offer to that: an item
    that breaks a bound of its own is left out, and the rest goes on.
"""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from aragora.debate.hints import ID_MAX_CHARS, OfferedCrux, OfferedIssue, OfferedPrior
from aragora.texts import counted

ITEMS_MAX: Final = 8
ITEM_MAX_CHARS: Final = 600
OFFER_MAX_CHARS: Final = 4_000
WORDS_MAX_CHARS: Final = 60  # of a confidence in words
POSITION_MAX_CHARS: Final = 200  # as an option of a question

DECISION: Final = "decision"
"""The kind of an item that says what an earlier debate decided."""

_KIND: Final = re.compile(r"[a-z][a-z_]{0,31}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_DAY_S: Final = 86_400
_LATEST: Final = 253_402_300_799.0  # the last second of the year 9999


class NotOffered(StrEnum):
    """Why a debate was offered nothing."""

    OFF = "off"  # its workspace, or the installation, has it switched off
    NONE = "none"  # looked for, and there is nothing that belongs to the question
    LATE = "late"  # the look took too long
    AWAY = "away"  # the source could not be asked, or its answer not be read
    BUSY = "busy"  # as many looks were under way as there may be at once


@dataclass(frozen=True, slots=True)
class OfferedItem:
    """One version of an item as it was offered. Stored in journals: a field's name never changes.

    `digest` is the SHA-256 of `text` in UTF-8, in hex. `confidence` is 0 to 1, `at` the date of its source in seconds
    since the epoch. `dissent` is the strongest objection to a decision, in its own words. The ids and the hash of the
    source are empty where it was no debate, or one without a receipt. `roots` counts the independent sources that
    support the item.

    `uses` counts the debates whose decision rested on the item before this one.

    Of a decision, `question_digest` (see the function of this name) and `position` say what was asked and which option
    was chosen; both are empty where that is not known.
    """

    label: str
    item_id: str
    version: int
    digest: str
    kind: str
    text: str
    confidence: float
    confidence_words: str
    at: float
    disputed: bool = False
    source_debate_id: str = ""
    source_receipt_id: str = ""
    source_receipt_hash: str = ""
    roots: int = 1
    dissent: str = ""
    question_digest: str = ""
    position: str = ""
    uses: int = 0


@dataclass(frozen=True, slots=True)
class Offer:
    """What a source has for a debate. Without items, `why` says why; with items it is None. `checklist`: what critics
    are to check; `priors` and `cruxes`: of earlier debates of the same question. These there may be without any item.
    """

    items: tuple[OfferedItem, ...] = ()
    why: NotOffered | None = None
    checklist: tuple[OfferedIssue, ...] = ()
    priors: tuple[OfferedPrior, ...] = ()
    cruxes: tuple[OfferedCrux, ...] = ()


def label_of(number: int) -> str:
    """The label of item `number`, counted from 1."""
    return f"K{number}"


def digest_of(text: str) -> str:
    """SHA-256 of `text` in UTF-8, 64 hex digits. Lone surrogates, which no UTF-8 has, count as `?`."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def question_digest(question: str) -> str:
    """What two debates have in common that ask the same: the SHA-256, in hex, of the question in NFKC, in small
    letters, with single spaces. Another wording is another question."""
    return digest_of(" ".join(unicodedata.normalize("NFKC", question).casefold().split()))


def about(item: OfferedItem) -> str:
    """What an agent is told of an item besides its text: kind, date (UTC), confidence, whether it is disputed, and how
    many debates rested on it since."""
    kind = item.kind.replace("_", " ")
    words = item.confidence_words.strip() or f"{item.confidence:.0%}"
    told = f"{kind}, {date_of(item.at)}, confidence: {words}{', disputed' if item.disputed else ''}"
    return f"{told}, {counted(item.uses, 'later debate')} rested on it" if item.uses else told


def date_of(at: float) -> str:
    """The day of `at` (seconds since the epoch) in UTC, as YYYY-MM-DD; the calendar of ISO 8601.

    By the days since 1 March of the year 0: each year then ends with the day that leap years have more.
    """
    days = math.floor(at / _DAY_S) + 719_468
    era, day_of_era = divmod(days, 146_097)
    year_of_era = (day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted_month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * shifted_month + 2) // 5 + 1
    month = shifted_month + 3 if shifted_month < 10 else shifted_month - 9
    return f"{era * 400 + year_of_era + (month <= 2):04d}-{month:02d}-{day:02d}"


def fitted(items: Iterable[OfferedItem]) -> tuple[OfferedItem, ...]:
    """Those of `items` that keep the bounds, in their order and labelled anew, as many as an offer may hold. An item
    that comes twice is offered once; one that is longer than the room left gives way to the next."""
    kept: list[OfferedItem] = []
    known: set[str] = set()
    room = OFFER_MAX_CHARS
    for item in items:
        size = len(item.text) + len(item.dissent)
        if item.item_id in known or size > room or not is_sound(item):
            continue
        kept.append(replace(item, label=label_of(len(kept) + 1)))
        known.add(item.item_id)
        room -= size
        if len(kept) == ITEMS_MAX:
            break
    return tuple(kept)


def is_sound(item: OfferedItem) -> bool:
    """Whether an item keeps the bounds of its own, its label aside."""
    return (
        0 < len(item.text) <= ITEM_MAX_CHARS - len(item.dissent)
        and bool(item.text.strip())
        and item.digest == digest_of(item.text)
        and 0 < len(item.item_id) <= ID_MAX_CHARS
        and 1 <= item.version < 2**31
        and 0 <= item.roots < 2**31
        and 0 <= item.uses < 2**31
        and _KIND.fullmatch(item.kind) is not None
        and 0.0 <= item.confidence <= 1.0
        and len(item.confidence_words) <= WORDS_MAX_CHARS
        and math.isfinite(item.at)
        and 0.0 <= item.at <= _LATEST
        and len(item.position) <= POSITION_MAX_CHARS
        and len(item.source_debate_id) <= ID_MAX_CHARS
        and len(item.source_receipt_id) <= ID_MAX_CHARS
        and _is_hex_or_empty(item.source_receipt_hash)
        and _is_hex_or_empty(item.question_digest)
    )


def _is_hex_or_empty(text: str) -> bool:
    return not text or _SHA256.fullmatch(text) is not None
