"""docs/ENVIRONMENT.md is what the settings say."""

from __future__ import annotations

from pathlib import Path

from aragora.config.environment_doc import render
from aragora.config.settings import Settings, variable_of


def test_the_page_is_up_to_date() -> None:
    page = Path(__file__).parents[3] / "docs/ENVIRONMENT.md"
    assert page.read_text() == render(), "run: python -m aragora.config.environment_doc > docs/ENVIRONMENT.md"


def test_every_setting_has_a_row() -> None:
    page = render()
    for name, field in Settings.model_fields.items():
        assert f"| `{variable_of(name, field)}` |" in page
