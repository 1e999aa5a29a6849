"""Workflows to begin with: one JSON document each, in the directory `templates` beside this file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from aragora.errors import NotFound
from aragora.workflows.reading import Written, read

_DIRECTORY: Final = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class Template:
    """A workflow to begin with. `document` is what an author would send."""

    template_id: str
    document: dict[str, Any]
    written: Written


@cache
def templates() -> dict[str, Template]:
    """All of them by id, in alphabetical order; read once. Raises InvalidDefinition where a file is none."""
    found = {}
    for path in sorted(_DIRECTORY.glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        found[path.stem] = Template(path.stem, document, read(document))
    return found


def template(template_id: str) -> Template:
    """The template of an id. Raises NotFound."""
    found = templates().get(template_id)
    if found is None:
        raise NotFound(f"There is no such template: there are {', '.join(templates())}.", code="unknown_template")
    return found
