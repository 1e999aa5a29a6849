"""Who may use a server without any proof."""

from __future__ import annotations

from pathlib import Path

import pytest

from aragora.composition.launch import has_local_operator
from aragora.config.settings import load_settings

SECRET = {"ARAGORA_API_TOKEN": "t" * 40}


@pytest.mark.parametrize(
    ("variables", "host", "local"),
    [
        ({}, "127.0.0.1", True),
        ({}, "localhost", True),
        ({}, "0.0.0.0", False),
        ({}, "192.0.2.7", False),
        (SECRET, "127.0.0.1", False),
        ({"ARAGORA_JWT_SECRET": "j" * 40}, "127.0.0.1", False),
    ],
)
def test_a_caller_from_this_machine_is_the_operator_where_nothing_says_otherwise(
    variables: dict[str, str], host: str, local: bool, tmp_path: Path
) -> None:
    assert has_local_operator(load_settings({"ARAGORA_DATA_DIR": str(tmp_path), **variables}), host) is local
