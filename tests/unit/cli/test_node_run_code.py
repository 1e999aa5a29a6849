"""The exit code of `aragora node run` tells the unit whether to start the node again."""

from __future__ import annotations

from pathlib import Path

import pytest

from aragora.cli.main import main
from aragora.composition.cluster import node


@pytest.mark.parametrize("code", [0, 1])
def test_it_is_that_of_the_run(code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node, "run", lambda *_: code)
    assert main(["node", "run", "--address", "10.0.0.10", "--data-dir", str(tmp_path)]) == code
