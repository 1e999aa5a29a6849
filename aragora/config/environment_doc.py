"""Renders docs/ENVIRONMENT.md from the settings: `python -m aragora.config.environment_doc > docs/ENVIRONMENT.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Final

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from aragora.config.chapters import (
    BudgetSettings,
    ClusterSettings,
    IdentitySettings,
    PersistenceSettings,
    ProviderSettings,
    ServerSettings,
)
from aragora.config.decisions import DecisionSettings
from aragora.config.knowledge import KnowledgeSettings
from aragora.config.settings import allowed_values, is_secret, variable_of
from aragora.config.webhooks import WebhookSettings
from aragora.config.workflows import WorkflowSettings

_CHAPTERS: Final[tuple[tuple[str, str, type[BaseModel]], ...]] = (
    (
        "Language models",
        "Without any key or local server the embedded model answers. The stub agents are for load tests.",
        ProviderSettings,
    ),
    ("Server", "", ServerSettings),
    ("Cluster and load", "", ClusterSettings),
    (
        "Budgets",
        "Agents that run on your own machine (embedded, local, stubs) cost nothing and count in no budget.",
        BudgetSettings,
    ),
    ("Authentication", "", IdentitySettings),
    ("Persistence, receipts, encryption", "", PersistenceSettings),
    ("Webhooks", "", WebhookSettings),
    ("Knowledge Mound", "", KnowledgeSettings),
    ("Decision router", "", DecisionSettings),
    ("Workflows", "", WorkflowSettings),
)
_HEAD: Final = """\
# Environment variables

Generated from `chapters.py`, `webhooks.py`, `knowledge.py` and their neighbours in `aragora/config` by
`python -m aragora.config.environment_doc`; do not edit by hand.

The environment is the primary configuration surface. An unset or empty variable is its default; a wrong value
keeps the server from starting; the error names the variable and the allowed values. Secrets are never logged or shown.
"""


def render() -> str:
    """The whole page as Markdown."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield _HEAD
    for title, text, chapter in _CHAPTERS:
        yield f"## {title}\n"
        if text:
            yield f"{text}\n"
        yield "| Variable | Default | Allowed | Meaning |"
        yield "|---|---|---|---|"
        for name, field in chapter.model_fields.items():
            yield _row(variable_of(name, field), field)
        yield ""


def _row(name: str, field: FieldInfo) -> str:
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    notes = [field.description or ""]
    if extra.get("needed"):
        notes.append(f"**Needed in {extra['needed']}.**")
    if is_secret(field):
        notes.append("Secret.")
    return f"| `{name}` | {_default(field)} | {allowed_values(field)} | {' '.join(notes)} |"


def _default(field: FieldInfo) -> str:
    if field.default is None or field.default == ():
        return "-"
    if isinstance(field.default, tuple):
        return f"`{','.join(field.default)}`"
    if isinstance(field.default, bool):
        return f"`{str(field.default).lower()}`"
    if isinstance(field.default, float) and field.default.is_integer():
        return f"`{int(field.default)}`"
    return f"`{field.default}`"


if __name__ == "__main__":
    sys.stdout.write(render())
