"""Variables with misspelt names are found, with the name that was meant."""

from __future__ import annotations

import pytest

from aragora.config.unknown import unknown_variables


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("ARAGORA_DATADIR", "ARAGORA_DATA_DIR"),
        ("ARAGORA_LOCAL_BASEURL", "ARAGORA_LOCAL_BASE_URL"),
        ("ARAGORA_LOCAL_URL", "ARAGORA_LOCAL_BASE_URL"),
        ("ARAGORA_AGENT_FILE", "ARAGORA_AGENTS_FILE"),
        ("ARAGORA_OPENAI_API_KEY", "OPENAI_API_KEY"),
        ("ARAGORA_DATABASE_URL", "DATABASE_URL"),
        ("aragora_env", "ARAGORA_ENV"),
        ("ARAGORA_ZZZZZZZZ", ""),
    ],
)
def test_a_name_that_is_no_setting_is_told_with_the_nearest_one(name: str, meant: str) -> None:
    assert unknown_variables({name: "1"}) == {name: meant}


def test_settings_blank_variables_and_names_of_others_are_not_told() -> None:
    environment = {"ARAGORA_ENV": "production", "ARAGORA_DATADIR": " ", "DATADIR": "x", "ARAGORA_HTTP_BIND": "0.0.0.0"}
    assert unknown_variables(environment) == {}
    assert unknown_variables({"ARAGORA_BOX_KEY": "k"}, ["ARAGORA_BOX_KEY"]) == {}
