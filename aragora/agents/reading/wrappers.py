"""Opening what a model put around the object it was asked for.

Seen in the field: {"proposal": {...}}, {"answer": {"answer": ...}}, {"properties": {...}}, an object as a JSON string,
a list that holds one object, and keys in capitals.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from aragora.agents.reading.embedded_json import object_in

_WRAPPERS_MAX: Final = 4


def opened(found: dict[str, Any], required: str, keys: Collection[str]) -> dict[str, Any]:
    """The object with the key `required` that `found` is or holds; `found` itself where it holds none, or several."""
    for _ in range(_WRAPPERS_MAX):
        found = _with_plain_keys(found, keys)
        inner = _inner(found, required, keys)
        if inner is None:
            break
        found = {**{key: found[key] for key in keys if key in found}, **inner}
    return found


def _inner(found: dict[str, Any], required: str, keys: Collection[str]) -> dict[str, Any] | None:
    if required in found:
        inner = _object(found[required], keys)
        return inner if inner is not None and required in inner else None
    objects = [inner for value in found.values() if (inner := _object(value, keys)) is not None]
    fitting = [inner for inner in objects if required in inner] or objects
    return fitting[0] if len(fitting) == 1 else None


def _object(value: Any, keys: Collection[str]) -> dict[str, Any] | None:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, str):
        value = object_in(value)
    return _with_plain_keys(value, keys) if isinstance(value, dict) else None


def _with_plain_keys(found: dict[str, Any], keys: Collection[str]) -> dict[str, Any]:
    """`found` with its keys as they were asked for: {"Answer": ...} and {" answer": ...} mean the same."""
    meant = {key: key.strip().casefold() for key in found if key not in keys}
    renamed = {plain: found[key] for key, plain in meant.items() if plain in keys and plain not in found}
    return {**found, **renamed} if renamed else found
