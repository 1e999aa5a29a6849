"""The modules and names that the operations runbook shows can be imported as it shows them."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Final

import pytest
import yaml

CONTRACT: Final = yaml.safe_load((Path(__file__).parents[1] / "contract" / "imports.yaml").read_text())
BUILT: Final[dict[str, list[str]]] = CONTRACT["imports"]


@pytest.mark.parametrize("module", BUILT)
def test_a_module_of_the_runbook_has_its_names(module: str) -> None:
    imported = importlib.import_module(module)
    assert [name for name in BUILT[module] if not hasattr(imported, name)] == []


@pytest.mark.parametrize("module", CONTRACT["modules_run_with_python_m"])
def test_a_command_of_the_runbook_is_a_module_that_can_be_run(module: str) -> None:
    found = importlib.util.find_spec(module)
    assert found is not None
    if found.submodule_search_locations is not None:
        assert importlib.util.find_spec(f"{module}.__main__") is not None


@pytest.mark.parametrize("file", CONTRACT["files"])
def test_a_file_of_the_runbook_is_there(file: str) -> None:
    assert (Path(__file__).parents[2] / file).is_file()
