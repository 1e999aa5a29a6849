"""Reading the lists of models that providers and servers really send."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.agents.offers import MODELS_MAX, ModelList, OfferedModel, read_models

OPENROUTER = {
    "data": [
        {
            "id": "z-ai/glm-5.2",
            "context_length": 202752,
            "architecture": {"input_modalities": ["text"], "output_modalities": ["text"]},
            "pricing": {"prompt": "0.0000004", "completion": "0.00000175", "request": "0"},
        },
        {"id": "maker/draws", "architecture": {"output_modalities": ["image"]}, "pricing": {"prompt": "-1"}},
        {"id": "maker/draws-and-tells", "architecture": {"output_modalities": ["image", "text"]}},
    ]
}
OLLAMA = {
    "object": "list",
    "data": [
        {"id": "qwen3:8b", "object": "model", "created": 1, "owned_by": "library"},
        {"id": "nomic-embed-text:latest", "object": "model", "created": 1, "owned_by": "library"},
    ],
}
VLLM = {"object": "list", "data": [{"id": "/models/My Model", "max_model_len": 32768, "root": "/models/My Model"}]}
MISTRAL = {
    "data": [
        {"id": "mistral-small", "capabilities": {"completion_chat": True}, "max_context_length": 131072},
        {"id": "mistral-ocr-4", "capabilities": {"completion_chat": False}},
    ]
}
GEMINI = {
    "models": [
        {
            "name": "models/gemini-3.8-flash",
            "inputTokenLimit": 1048576,
            "supportedGenerationMethods": ["generateContent"],
        },
        {"name": "models/gemini-embedding-2", "supportedGenerationMethods": ["embedContent"]},
        {"name": "models/aqa", "supportedGenerationMethods": ["generateAnswer"]},
    ]
}
OPENAI = {"object": "list", "data": [{"id": name} for name in ("gpt-5.4", "whisper-1", "sora-2", "text-embedding-3")]}


def models(source: str, content: object, *, on_the_spot: bool = True) -> dict[str, OfferedModel]:
    read = read_models(source, content, on_the_spot=on_the_spot)
    assert read is not None
    return {model.model: model for model in read.models}


def test_openrouter_tells_context_prices_and_what_a_model_makes() -> None:
    found = models("openrouter", OPENROUTER)
    assert found["z-ai/glm-5.2"] == OfferedModel(
        "z-ai/glm-5.2", "openrouter:z-ai/glm-5.2", chats=True, context_tokens=202752,
        input_usd_per_mtok=0.4, output_usd_per_mtok=1.75,
    )  # fmt: skip
    assert [found[f"maker/{name}"].chats for name in ("draws", "draws-and-tells")] == [False, True]
    assert found["maker/draws"].input_usd_per_mtok is None, "-1 stands for a price that differs"


def test_a_local_server_s_embedding_models_are_marked_by_their_names() -> None:
    found = models("local", OLLAMA)
    assert {name: model.chats for name, model in found.items()} == {"qwen3:8b": True, "nomic-embed-text:latest": False}
    assert found["qwen3:8b"].agent == "local:qwen3:8b"


def test_a_name_that_cannot_be_written_on_the_spot_is_listed_without_one() -> None:
    (model,) = models("local", VLLM).values()
    assert (model.agent, model.context_tokens) == ("", 32768)


def test_the_models_of_a_declared_server_have_no_name_on_the_spot() -> None:
    assert models("local", OLLAMA, on_the_spot=False)["qwen3:8b"].agent == ""


def test_mistral_google_and_openai_are_read_in_their_own_words() -> None:
    assert {name: model.chats for name, model in models("mistral", MISTRAL).items()} == {
        "mistral-small": True, "mistral-ocr-4": False,
    }  # fmt: skip
    google = models("gemini", GEMINI)
    assert {name: model.chats for name, model in google.items()} == {
        "gemini-3.8-flash": True, "gemini-embedding-2": False, "aqa": False,
    }  # fmt: skip
    assert google["gemini-3.8-flash"].context_tokens == 1048576
    assert google["gemini-3.8-flash"].output_usd_per_mtok == 7.5, "from the price table"
    assert [name for name, model in models("openai", OPENAI).items() if model.chats] == ["gpt-5.4"]


def test_a_list_without_end_is_cut_and_counted() -> None:
    read = read_models("local", [{"id": f"m{number}"} for number in range(MODELS_MAX + 7)], on_the_spot=True)
    assert read is not None
    assert (len(read.models), read.left_out) == (MODELS_MAX, 7)


@pytest.mark.parametrize(
    "content",
    [None, 3, "models", {}, {"data": {"id": "m"}}, {"error": "no"}, {"data": None, "error": {"message": "no"}}],
)
def test_what_is_no_list_is_none(content: object) -> None:
    assert read_models("local", content, on_the_spot=True) is None


@pytest.mark.parametrize("content", [{"object": "list"}, {"object": "list", "data": None}, {"data": []}, []])
def test_a_server_without_a_model_has_an_empty_list(content: object) -> None:
    assert read_models("local", content, on_the_spot=True) == ModelList((), 0, "")


def test_which_model_is_asked_where_none_is_named_follows_the_order_of_the_server() -> None:
    rows = [{"id": "nomic-embed-text"}, {"id": "zephyr"}, {"id": "aya"}]
    read = read_models("local", {"data": rows}, on_the_spot=True)
    assert read is not None
    assert read.first == "zephyr"


@pytest.mark.parametrize(
    "row", [None, 3, {}, {"id": 3}, {"id": ""}, {"id": "a\x00b"}, {"id": "x" * 1000}, {"id": "half \ud83d"}]
)
def test_an_odd_row_is_passed_over_and_its_neighbour_listed(row: Any) -> None:
    assert list(models("local", {"data": [row, {"id": "good"}]})) == ["good"]


_JSON: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=8,
)
_FIELDS = (
    "id",
    "name",
    "context_length",
    "pricing",
    "architecture",
    "capabilities",
    "type",
    "supportedGenerationMethods",
)


@given(st.sampled_from(["openrouter", "local", "gemini"]), st.dictionaries(st.sampled_from(_FIELDS), _JSON))
def test_whatever_a_server_says_of_a_model_its_neighbour_is_listed(source: str, row: dict[str, Any]) -> None:
    assert "good" in models(source, {"data": [row, {"id": "good"}]})
