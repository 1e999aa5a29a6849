"""An author's JSON document as a definition, with all that does not fit told at once. Pure.

This is the format alone; `aragora.workflows.checking` says whether the steps make sense together. What is kept is the
author's document in its canonical form (RFC 8785) and its digest, so that a definition is the same to everybody and a
field that a later server adds changes no digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from aragora import texts, violations
from aragora.encoding import NotEncodable, decode, encode
from aragora.receipts.canonical import NotCanonical, canonical
from aragora.workflows.definition import DEFINITION_MAX_BYTES, Definition
from aragora.workflows.faults import Fault, refused

DEPTH_MAX: Final = 32

_WORDS: Final = {
    "extra_forbidden": "unknown",
    "unexpected_keyword_argument": "unknown",
    "missing": "missing",
    "missing_argument": "missing",
}
_SAYS: Final = {
    "extra_forbidden": "there is no such field; leave it out",
    "unexpected_keyword_argument": "there is no such field; leave it out",
    "missing": "is missing",
    "missing_argument": "is missing",
    "missing_keyword_only_argument": "is missing",
    "union_tag_not_found": "has no `type`; say what kind of step it is",
}


@dataclass(frozen=True, slots=True)
class Written:
    """A definition that was read, the canonical text of its document, and the SHA-256 of that, in hexadecimal."""

    definition: Definition
    text: str
    digest: str


def read(document: Any) -> Written:
    """Read a document: JSON values. Raises InvalidDefinition with its faults."""
    if not isinstance(document, Mapping):
        raise refused([Fault("", "invalid", "A definition is a JSON object.")])
    if texts.depth_of(document, DEPTH_MAX) > DEPTH_MAX:
        raise refused([Fault("", "too_deep", f"The document nests deeper than {DEPTH_MAX}.")])
    try:
        texts.check_all(document, "the document")
        raw = encode(document)
    except (NotEncodable, TypeError, ValueError) as error:
        raise refused([Fault("", "invalid", f"{error}.")]) from None
    if len(raw) > DEFINITION_MAX_BYTES:
        size = f"It has {len(raw)} bytes; {DEFINITION_MAX_BYTES} are the most. Split it into several workflows."
        raise refused([Fault("", "too_large", size)], code="definition_too_large")
    try:
        definition = adapter().validate_json(raw, strict=True)
        text = canonical(decode(raw))
    except ValidationError as error:
        raise refused(_faults(error)) from None
    except NotCanonical:
        raise refused([Fault("", "invalid", "A number is beyond 2**53: write it as a text.")]) from None
    return Written(definition, text.decode(), hashlib.sha256(text).hexdigest())


def read_back(text: str) -> Definition:
    """The definition of a canonical text that was kept. Raises ValueError where it is none any more."""
    return adapter().validate_json(text, strict=True)


@cache
def adapter() -> TypeAdapter[Definition]:
    """What reads a definition, made with its first use."""
    return TypeAdapter(Definition)


@cache
def json_schema() -> dict[str, Any]:
    """The JSON Schema of the format."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **adapter().json_schema()}


def path_of(location: tuple[int | str, ...]) -> str:
    """A place as people write it: `steps[2].approval.deadline_s`."""
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part[:64]}" if path else part[:64]
    return path


def _faults(error: ValidationError) -> list[Fault]:
    found = error.errors(include_url=False, include_input=False, include_context=False)
    places = [one["loc"] for one in found]
    return [
        Fault(path_of(one["loc"]), _WORDS.get(one["type"], "invalid"), _says(one["type"], one["msg"]))
        for one in found
        if one["type"] != "too_short" or not _within(one["loc"], places)
    ]


def _within(place: tuple[int | str, ...], places: list[tuple[int | str, ...]]) -> bool:
    """Whether something within a place is wrong: a list is also called too short where none of its items was read."""
    return any(len(one) > len(place) and one[: len(place)] == place for one in places)


def _says(kind: str, message: str) -> str:
    return _SAYS.get(kind) or violations.reason(message)
