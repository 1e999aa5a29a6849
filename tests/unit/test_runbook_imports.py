"""The modules and names that the operations runbook shows can be imported as it shows them."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Final

import pytest
import yaml

CONTRACT: Final = yaml.safe_load((Path(__file__).parents[1] / "contract" / "imports.yaml").read_text())
_TO_COME: Final[dict[str, set[str]]] = {
    "aragora.server.middleware.decision_routing": set(
        CONTRACT["imports"]["aragora.server.middleware.decision_routing"]
    ),
}
"""Names that are not built yet, by their module."""
BUILT: Final = {
    module: [name for name in names if name not in _TO_COME.get(module, ())]
    for module, names in CONTRACT["imports"].items()
    if not names or not _TO_COME.get(module, set()).issuperset(names)
}


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


@pytest.mark.parametrize("module", _TO_COME)
def test_what_is_still_to_come_is_not_there_yet(module: str) -> None:
    """Once it is, take it out of `_TO_COME`: it is then checked too."""
    try:
        imported = importlib.import_module(module)
    except ModuleNotFoundError:
        return
    assert [name for name in _TO_COME[module] if hasattr(imported, name)] == []


@pytest.mark.parametrize("file", CONTRACT["files"])
def test_a_file_of_the_runbook_is_there(file: str) -> None:
    assert (Path(__file__).parents[2] / file).is_file()
