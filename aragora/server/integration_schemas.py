"""The shapes of requests and responses about integrations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from aragora.encoding import encode
from aragora.secrets.fields import STAND_IN, secrets_of

MAX_SETTINGS_BYTES: Final = 65_536
MAX_DEPTH: Final = 16
_OURS: Final = frozenset({"type", "user_id", "org_id"})


def _keepable(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings that can be kept, and would come out as they went in."""
    if taken := _OURS & settings.keys():
        raise ValueError(f"the server sets {', '.join(sorted(taken))}; leave it out")
    if _depth(settings) > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
    try:
        size = len(encode(settings))
    except (ValueError, TypeError, OverflowError):
        raise ValueError("a value cannot be written as JSON") from None
    if size > MAX_SETTINGS_BYTES:
        raise ValueError(f"more than {MAX_SETTINGS_BYTES} bytes")
    if any(value == STAND_IN for _, value in secrets_of(settings)):
        raise ValueError(f"send each secret itself: {STAND_IN} only stands for it in answers")
    return settings


def _depth(value: Any) -> int:
    """How deep a JSON value nests; stops counting past `MAX_DEPTH`."""
    level, depth = [value], 0
    while level and depth <= MAX_DEPTH:
        depth += 1
        level = [inner for outer in level for inner in _inside(outer)]
    return depth


def _inside(value: Any) -> list[Any]:
    children = list(value.values()) if isinstance(value, Mapping) else value if isinstance(value, list) else []
    return [child for child in children if isinstance(child, Mapping | list)]


class SaveIntegration(BaseModel):
    """How a service is connected, e.g. {"settings": {"channel": "#ops", "bot_token": "..."}}."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    settings: Annotated[dict[str, Any], Field(min_length=1, max_length=100), AfterValidator(_keepable)]


class Integration(BaseModel):
    """`settings` without secrets: in their places stands that they are set."""

    type: str
    user_id: str
    settings: dict[str, Any]


class IntegrationList(BaseModel):
    integrations: list[Integration]
