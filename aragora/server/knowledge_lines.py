"""A line of a file of knowledge: what an export writes of an item, and what an import reads of it."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, ValidationError

from aragora.encoding import decode
from aragora.errors import InvalidInput
from aragora.knowledge.model import Item, ItemKind, Status
from aragora.knowledge.noting import Noted, imported
from aragora.server.knowledge import Asking
from aragora.server.knowledge_asks import StatedItem, told_of
from aragora.server.knowledge_views import item_detail

VERSION: Final = 1
_ENDED: Final = frozenset({Status.SUPERSEDED, Status.QUARANTINED, Status.FORGOTTEN})


class _Confidence(Asking):
    model_config = ConfigDict(extra="ignore")

    value: Annotated[float, Field(ge=0, le=1)]


class Line(StatedItem):
    """What is read of a line; what else it holds, its sources among them, is passed over."""

    model_config = ConfigDict(extra="ignore")

    format: Literal[1] = 1
    kind: ItemKind = ItemKind.NOTE
    status: Status = Status.LIVE
    confidence: Annotated[float, Field(ge=0, le=1)] | _Confidence | None = None


def line_of(item: Item) -> dict[str, Any]:
    """An item as a line."""
    return {"format": VERSION, **item_detail(item, {link.item_id for link in item.links})}


def read_line(text: str, person: str, at: float) -> Noted | None:
    """What a line adds, imported by `person`; None where its file itself calls it ended or held back. Raises
    InvalidInput."""
    try:
        line = Line.model_validate(decode(text))
    except ValidationError as refused:
        raise InvalidInput(told_of(refused)) from None
    except ValueError:
        raise InvalidInput("the line is no JSON") from None
    if line.status in _ENDED:
        return None
    held = "it was disputed where it comes from" if line.status is Status.DISPUTED else ""
    stated = line.confidence.value if isinstance(line.confidence, _Confidence) else line.confidence
    return imported(line.statement(line.kind), stated, held, person, at)
