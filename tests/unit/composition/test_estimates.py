"""The agents of the catalog, as estimates ask for them."""

from __future__ import annotations

from pathlib import Path

from aragora.composition.estimates import CatalogedAgents
from aragora.config.settings import Settings
from aragora.knowledge.mound.adapters.elo import Model


def test_those_that_can_debate_are_available_and_each_has_its_model(tmp_path: Path) -> None:
    agents = CatalogedAgents(Settings(data_dir=tmp_path, stub_agents=2, embedded_agents=False))
    assert {"stub-1", "stub-2"} <= set(agents.available())
    assert agents.model_of("stub-1") == Model("stub", "stub")
    assert agents.model_of("nobody") is None
