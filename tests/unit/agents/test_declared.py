"""What agents.toml may declare, and that whatever else stands there is told with line, field and remedy."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora import limits
from aragora.agents.declared import NOTHING, Declared, parse
from aragora.agents.model import DeclaredPrice
from aragora.errors import Misconfigured

KEY = "sk-or-v1-0123456789abcdef0123456789abcdef"
RESERVED = frozenset({"ARAGORA_JWT_SECRET"})
GOOD = """\
[agents.ada]
provider = "openrouter"
model = "z-ai/glm-5.2"
persona = "skeptic"
temperature = 0.2
max_tokens = 2048
context_tokens = 128000

[agents.box]
provider = "local"
model = "qwen3:32b"
address = "http://gpu-box:8000/v1/"
key_variable = "GPU_BOX_KEY"
system = "You are an engineer."
price = { input_usd_per_mtok = 0, output_usd_per_mtok = 1.5 }

[agents.tiny]
provider = "embedded"
persona = "analyst"

[agents.plain]
provider = "local"

[teams]
research = ["ada", "plain-skeptic", "anthropic-api", "openai:gpt-5.4@pragmatist"]
"""


def declared(text: str) -> Declared:
    return parse(text.encode(), "agents.toml", RESERVED)


def problems(text: str) -> list[str]:
    with pytest.raises(Misconfigured) as caught:
        declared(text)
    return caught.value.message.splitlines()


def agent(**fields: Any) -> str:
    """A file with one agent, whose `provider` stands in line 2 and the other fields in lines 3, 4, ..."""
    lines = [f"{name} = {value!r}" for name, value in {"provider": "local", **fields}.items()]
    return "\n".join(["[agents.ada]", *lines])


def test_agents_and_teams_are_read_as_they_are_written() -> None:
    found = declared(GOOD)
    ada, box, tiny, _ = found.agents
    assert (ada.name, ada.provider, ada.model, ada.persona, ada.temperature) == (
        "ada", "openrouter", "z-ai/glm-5.2", "skeptic", 0.2,
    )  # fmt: skip
    assert (ada.max_tokens, ada.context_tokens, ada.price) == (2048, 128_000, None)
    assert (box.address, box.key_variable, box.price) == (
        "http://gpu-box:8000/v1",
        "GPU_BOX_KEY",
        DeclaredPrice(0, 1.5),
    )
    assert (tiny.provider, tiny.model, tiny.persona) == ("embedded", "", "analyst")
    assert found.teams == {"research": ("ada", "plain-skeptic", "anthropic-api", "openai:gpt-5.4@pragmatist")}


def test_the_example_of_the_documentation_is_a_file() -> None:
    page = (Path(__file__).parents[3] / "docs/agents.md").read_text()
    example = page.partition("```toml\n")[2].partition("```")[0]
    assert [agent.name for agent in declared(example).agents] == ["ada", "box", "hosted"]


def test_an_empty_file_and_one_of_an_editor_with_a_byte_order_mark_are_files() -> None:
    assert declared("") == NOTHING
    assert declared("\ufeff" + GOOD.replace("\n", "\r\n")) == declared(GOOD)


@pytest.mark.parametrize(
    ("text", "line", "field", "remedy"),
    [
        (agent(model=3), 3, "agents.ada.model", "a valid string"),
        (agent(provder="x"), 3, "agents.ada.provder", "choose from provider, model, address"),
        (agent(provider="openruter"), 2, "agents.ada.provider", "choose from anthropic, openai"),
        ("[agents.ada]\nmodel = 'x'", 1, "agents.ada.provider", "add it, one of anthropic"),
        (agent(persona="sceptic"), 3, "agents.ada.persona", "choose from skeptic, pragmatist"),
        (agent(persona="skeptic", system="You."), 4, "agents.ada.system", "leave one out"),
        (agent(temperature=3.5), 3, "agents.ada.temperature", "less than or equal to 2"),
        (agent(provider="anthropic", temperature=0.5), 3, "agents.ada.temperature", "leave it out"),
        (agent(max_tokens=0), 3, "agents.ada.max_tokens", "greater than or equal to 16"),
        (agent(max_tokens="many"), 3, "agents.ada.max_tokens", "a valid integer"),
        (agent(address="gpu-box:8000"), 3, "agents.ada.address", "http://"),
        (agent(address="http://me:hidden-word@box/v1"), 3, "agents.ada.address", "key_variable"),
        (agent(address="https://api.example.com/v1"), 1, "agents.ada.price", "input_usd_per_mtok"),
        (agent(provider="openai", address="http://box/v1"), 1, "agents.ada.key_variable", "'OPENAI_API_KEY'"),
        (agent(key_variable="ARAGORA_JWT_SECRET"), 3, "agents.ada.key_variable", "name another"),
        (agent(provider="embedded", model="big"), 3, "agents.ada.model", "leave this out"),
        (agent(provider="embedded", persona="judge"), 3, "agents.ada.persona", "choose from analyst"),
        ("[agents.ada]\nprovider = 'local'\nprice = {input_usd_per_mtok = 1}", 3, "output_usd_per_mtok", "add it"),
        ("[agents.ada]\nprovider = 'local'\n[agents.ada.price]\nusd = 1", 4, "agents.ada.price.usd", "output_usd"),
        ("\n[agents.gemini]\nprovider = 'local'", 2, "agents.gemini", "choose another"),
        ("[agents.stub-7]\nprovider = 'local'", 1, "agents.stub-7", "choose another"),
        ("[agents.'a:b']\nprovider = 'local'", 1, "agents.a:b", "letters, digits"),
        ("[agent.ada]\nprovider = 'local'", 1, "agent", "[agents.NAME] and [teams]"),
        ("agents = 3", 1, "agents", "[agents.NAME]"),
        ("[[agents]]\nname = 'ada'", 1, "agents", "[agents.NAME]"),
        ("[teams]\nr = []", 2, "teams.r", "at least 1 item"),
        ("[teams]\nr = ['nobody']", 2, "teams.r.0", "declare it in this file"),
        ("[teams]\n\nr = ['local', 'team:r']", 3, "teams.r.1", "not teams"),
        (agent(persona="skeptic") + "\n[teams]\nr = ['ada-skeptic']", 5, "teams.r.0", "declare it in this file"),
        (agent(provider="embedded") + "\n[teams]\nr = ['ada-skeptic']", 4, "teams.r.0", "declare it in this file"),
        ("[teams]\nr = ['foo:bar']", 2, "teams.r.0", "PROVIDER one of anthropic"),
        ("[teams]\nr = ['openai:gpt@sceptic']", 2, "teams.r.0", "PERSONA one of skeptic"),
        ("[teams]\nr = ['local', 'local:my model']", 2, "teams.r.1", "declare it as an agent"),
        ("[teams]\nr = ['local:qwen#1', 'local']", 2, "teams.r.0", "declare it as an agent"),
        ("[teams]\ndefault = ['local']", 2, "teams.default", "at least 2"),
        ("# a\u2028b\n[agents.ada]\nprovder = 'x'", 3, "agents.ada.provder", "no such setting"),
        (agent(system="  "), 3, "agents.ada.system", "leave it out"),
        (agent(model="  "), 3, "agents.ada.model", "leave it out"),
        (agent(address="http://"), 3, "agents.ada.address", "names no host"),
        (agent(address="http:///v1"), 3, "agents.ada.address", "names no host"),
        (agent(address="http://gpu box/v1"), 3, "agents.ada.address", "space"),
        (agent(address="http://box/v1?key=hidden"), 3, "agents.ada.address", "after a ? or #"),
        (agent(address="http://box/v1/chat/completions/"), 3, "agents.ada.address", "that of one call"),
        (agent(address="http://box/v1#here"), 3, "agents.ada.address", "after a ? or #"),
        ("[teams]\nr = ['local', 'local']", 2, "teams.r", "named twice"),
        ("[teams]\n'' = ['local']", 2, "teams.", "letters, digits"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_line_field_and_remedy(text: str, line: int, field: str, remedy: str) -> None:
    told = problems(text)
    assert any(f"agents.toml line {line}, " in one and field in one and remedy in one for one in told), told


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"[agents.ada]\nprovider = local", "line 2"),
        (b"[agents.ada\n", "line 1"),
        (b"[agents.ada]\n[agents.ada]\n", "line 2"),
        (b"a = [\n1,", "end of document"),
        (b"\n\xff", "line 2: this is not UTF-8"),
        (b"a = " + b"9" * 5000, "too large"),
        (b"a = " + b"[" * 5000, "too large"),
        (b"# one\n" + b"a." * 2_000 + b"a = 1", "line 2: this key has more than 16 parts"),
        (b'x = """\n\n"""\n[' + b"'a'. " * 2_000 + b"a]", "line 4: this key has more than 16 parts"),
        (b"x = { " + b"a." * 2_000 + b"a = 1 }", "line 1: this key has more than 16 parts"),
        (b"x = " + b'\\"""' * 60_000, "line 1"),
        (b"#" * (limits.AGENTS_FILE_MAX_BYTES + 1), "declare fewer"),
    ],
)
def test_a_file_that_is_no_toml_is_told_with_its_line(content: bytes, told: str) -> None:
    with pytest.raises(Misconfigured, match=told):
        parse(content, "agents.toml")


def test_every_problem_is_told_and_not_the_first_alone() -> None:
    assert len(problems(agent(a=1, b=2, c=3))) == 3
    many = problems(agent(**{f"f{number}": 1 for number in range(30)}))
    assert len(many) == 21
    assert many[-1] == "agents.toml: 10 more problems."


@pytest.mark.parametrize(
    "text",
    [
        agent(key_variable=KEY),
        agent(key_variable="A1B2C3D4E5F6A7B8C9D0E1F2A3B4C5D6"),
        agent(api_key=KEY),
        agent(provider=KEY),
        agent(persona=KEY),
        agent(address=KEY),
        agent(address=f"http://user:{KEY}@box/v1"),
        agent(address=f"http://box/v1?key={KEY}"),
        agent(model=[KEY]),
        f"[agents.{KEY}]\nprovider = 'x'",
        f"[teams]\nr = ['{KEY}']",
        f"[agents.ada]\nprovider = 'local'\n{KEY} = 1\n{KEY} = 2",
        f"[agents.ada]\nprovider = {KEY}",
    ],
)
def test_a_key_in_the_wrong_place_is_refused_and_not_repeated(text: str) -> None:
    told = "\n".join(problems(text))
    assert KEY not in told
    assert "A1B2C3" not in told


def test_a_field_that_is_named_like_a_key_is_told_where_keys_belong() -> None:
    for name in ("api_key", "token", "secret"):
        assert "key_variable names the environment variable" in problems(agent(**{name: "x"}))[0]


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        ("http://localhost:11434/v1", True),
        ("http://127.0.0.1/v1", True),
        ("http://192.168.1.7:8000", True),
        ("http://[::1]:8000", True),
        ("http://gpu-box:8000/v1", True),
        ("http://gpu.lan/v1", True),
        ("https://api.groq.com/openai/v1", False),
        ("http://8.8.8.8/v1", False),
    ],
)
def test_only_a_server_of_the_own_network_is_free_without_a_price(address: str, inside: bool) -> None:
    text = agent(address=address)
    if inside:
        assert declared(text).agents[0].price is None
    else:
        assert "price" in problems(text)[0]
        free = text + "\nprice = { input_usd_per_mtok = 0, output_usd_per_mtok = 0 }"
        assert declared(free).agents[0].price == DeclaredPrice(0, 0)


_NAMES = st.sampled_from(
    (
        *("agents", "teams", "ada", "provider", "model", "address", "key_variable", "persona", "system", "temperature"),
        *("max_tokens", "context_tokens", "price", "input_usd_per_mtok", "output_usd_per_mtok", "research", "a.b", ""),
    )
)
_VALUES = st.recursive(
    st.one_of(
        st.text(max_size=20),
        st.sampled_from(["local", "openrouter", "embedded", "skeptic", "http://box/v1", "KEY", "team:a", "local:m"]),
        st.integers(min_value=-(2**63), max_value=2**63 - 1),
        st.floats(),
        st.booleans(),
        st.dates(),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_NAMES, inner, max_size=4)),
    max_leaves=12,
)


def as_toml(value: Any) -> str:
    """`value` as TOML writes it inline."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{as_toml(name)} = {as_toml(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(as_toml, value)) + "]"
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(character):08x}" for character in value) + '"'
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if hasattr(value, "isoformat") else repr(value)


def refused(content: bytes) -> list[str]:
    """The problems of a file; none where it is read. Any other error than the own one goes through."""
    try:
        parse(content, "agents.toml", RESERVED)
    except Misconfigured as wrong:
        return wrong.message.splitlines()
    return []


@given(st.dictionaries(_NAMES, _VALUES, max_size=3), st.dictionaries(_NAMES, _VALUES, max_size=6))
def test_whatever_a_document_holds_it_is_read_or_refused_in_the_own_words(
    top: dict[str, Any], fields: dict[str, Any]
) -> None:
    document = {"agents": {"ada": {"provider": "local", **fields}}, **top}
    text = "\n".join(f"{as_toml(name)} = {as_toml(value)}" for name, value in document.items())
    tomllib.loads(text)  # it is TOML, so what is refused is refused by our rules
    assert all(line.startswith("agents.toml") for line in refused(text.encode()))


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: text.encode(errors="replace"))))
def test_whatever_bytes_a_file_holds_they_are_read_or_refused_in_the_own_words(content: bytes) -> None:
    assert all(line.startswith("agents.toml") for line in refused(content))
