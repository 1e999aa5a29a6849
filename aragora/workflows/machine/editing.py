"""A step with other values: what a retry brings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from aragora.encoding import to_plain
from aragora.errors import InvalidInput
from aragora.workflows.definition import Common, Step

_FLOW: Final = frozenset({field.name for field in fields(Common)} | {"type", "blocks", "block", "branches"})
"""What makes the graph: it stays as it was checked."""


def edited(step: Step, what: Mapping[str, Any]) -> Step:
    """The step with some of its own values replaced. Raises InvalidInput for a value that it does not have, that
    belongs to the graph, or that does not fit."""
    if not what:
        return step
    own = {field.name for field in fields(step)} - _FLOW
    unknown = sorted(set(what) - own)
    if unknown:
        allowed = ", ".join(sorted(own)) or "nothing"
        raise InvalidInput(f"Step {step.id} has no value {unknown[0]!r} to be replaced: it has {allowed}.")
    try:
        found: Step = TypeAdapter(type(step)).validate_python({**to_plain(step), **what})
    except ValidationError as refused:
        first = refused.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"Step {step.id}: {where}: {first['msg']}.") from None
    return found
