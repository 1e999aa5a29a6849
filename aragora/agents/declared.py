"""The agents and teams of `agents.toml`: what may stand there, and what is told where something wrong does. Pure.

    [agents.ada]
    provider = "openrouter"          # a declared provider, local or embedded
    model = "z-ai/glm-5.2"
    persona = "skeptic"              # or: system = "You are ..."

    [agents.box]
    provider = "local"
    model = "qwen3:32b"
    address = "http://gpu-box:8000/v1"
    key_variable = "GPU_BOX_KEY"     # the name of the variable, never the key

    [teams]
    research = ["ada", "box", "anthropic-api", "openai:gpt-5.4"]

Rules:
    - Every problem is told with its line, its field and what to do; `Misconfigured` is all that is ever raised.
    - No value is repeated in a text: a key that was pasted into the wrong place must not reach a log.
    - A key goes to the server for which it was named: an agent with an address of its own names its key, too.
    - What may cost something is never taken for free: a server outside this network needs its price.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from aragora import limits, texts, violations
from aragora.agents import naming
from aragora.agents.model import DeclaredPrice
from aragora.agents.own_network import in_own_network
from aragora.agents.personas import EMBEDDED_PERSONAS, PERSONAS
from aragora.agents.toml_document import read_toml
from aragora.agents.toml_lines import line_of
from aragora.config.providers import BY_NAME, FALLBACK
from aragora.config.variables import WebAddress
from aragora.errors import InvalidInput, Misconfigured
from aragora.observability.redaction import Redactor

_PROVIDERS: Final = (*BY_NAME, naming.LOCAL, naming.EMBEDDED)
_PROBLEMS_TOLD: Final = 20
_NAME: Final = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._+-]{{0,{limits.NAME_MAX_CHARS - 1}}}")
_VARIABLE: Final = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")
_BARE_KEY: Final = re.compile(r"[A-Z0-9]{32,}")  # a variable's name of that length has an underscore
_KEY_FIELD: Final = re.compile(r"(?i)key|token|secret|password")
_REDACTOR: Final = Redactor()
_PRICE_WANTED: Final = (
    "this server is outside your network and may cost something: give its price in USD per million tokens, "
    "{ input_usd_per_mtok = ..., output_usd_per_mtok = ... }, or 0 and 0 where it is free"
)
_NO_SUCH_MODEL: Final = (
    f"no model can be named so: write PROVIDER:MODEL or PROVIDER:MODEL@PERSONA, with PROVIDER one of "
    f"{', '.join((*BY_NAME, naming.LOCAL))} and PERSONA one of {', '.join(PERSONAS)}; a model whose name is longer than "
    f"{limits.NAME_MAX_CHARS} characters, or holds others than letters, digits and . _ : / @ + -: declare it as an agent"
)
_WHOLE_NAME: Final = "letters, digits and . _ + - (no colon: that is for PROVIDER:MODEL)"


@dataclass(frozen=True, slots=True)
class DeclaredAgent:
    """One agent of the file. None and empty mean: as with its provider's own agent."""

    name: str
    provider: str
    model: str = ""
    address: str | None = None
    key_variable: str | None = None
    persona: str = ""
    system: str = ""
    temperature: float | None = None
    max_tokens: int | None = None
    context_tokens: int | None = None
    price: DeclaredPrice | None = None


@dataclass(frozen=True, slots=True)
class Declared:
    """What a file declares. `teams` holds the names of their members, as they were written."""

    agents: tuple[DeclaredAgent, ...] = ()
    teams: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def key_variables(self) -> frozenset[str]:
        """The variables that it names as holding a key."""
        return frozenset(agent.key_variable for agent in self.agents if agent.key_variable is not None)


NOTHING: Final = Declared()


def parse(content: bytes, called: str, reserved: Collection[str] = ()) -> Declared:
    """What the file `called` so declares. `reserved` are variables of this server: no agent may send what one of
    them holds as its key.

    Raises Misconfigured with a line for each problem: where, which field, what to do.
    """
    if len(content) > limits.AGENTS_FILE_MAX_BYTES:
        raise Misconfigured(f"{called} is larger than {limits.AGENTS_FILE_MAX_BYTES} bytes: declare fewer agents.")
    source, document = read_toml(content, called)
    try:
        read = _File.model_validate(document)
    except ValidationError as invalid:
        found = [_Problem(error["loc"], _told(error)) for error in invalid.errors(include_input=False)]
    else:
        found = list(_problems(read, reserved))
        if not found:
            return _declared(read)
    lines = [problem.line(source, called) for problem in found[:_PROBLEMS_TOLD]]
    more = len(found) - len(lines)
    raise Misconfigured("\n".join([*lines, *([f"{called}: {texts.counted(more, 'more problem')}."] if more else [])]))


# --- What may stand in the file


def _line(text: str) -> str:
    return texts.line(_not_blank(text))


def _prose(text: str) -> str:
    return texts.prose(_not_blank(text))


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("it is blank: fill it, or leave it out")
    return text


def _address(text: str) -> str:
    if "@" in urlsplit(text).netloc:
        raise ValueError("it holds a user or password: leave them out, and name the variable of a key in key_variable")
    return text


def _variable(text: str) -> str:
    if not _VARIABLE.fullmatch(text) or _BARE_KEY.fullmatch(text) or len(text) > limits.NAME_MAX_CHARS:
        raise ValueError(
            "this is no name of an environment variable. Put the key into a variable, e.g. MY_SERVER_KEY, and write that "
            "name here: a key never stands in this file"
        )
    return text


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True)


_Usd = Annotated[float, Field(ge=0, le=limits.PRICE_MAX_USD)]
_Tokens = Annotated[int, Field(ge=16, le=limits.ANSWER_MAX_TOKENS)]
_Context = Annotated[int, Field(ge=1_000, le=limits.CALL_MAX_TOKENS)]
_Model = Annotated[str, Field(min_length=1, max_length=limits.MODEL_NAME_MAX_CHARS), AfterValidator(_line)]
_System = Annotated[str, Field(min_length=1, max_length=limits.SYSTEM_MAX_CHARS), AfterValidator(_prose)]
_Member = Annotated[str, Field(max_length=limits.NAME_MAX_CHARS)]


class _Price(_Strict):
    input_usd_per_mtok: _Usd
    output_usd_per_mtok: _Usd


class _Agent(_Strict):
    provider: str
    model: _Model | None = None
    address: Annotated[WebAddress, AfterValidator(_address)] | None = None
    key_variable: Annotated[str, AfterValidator(_variable)] | None = None
    persona: str | None = None
    system: _System | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    max_tokens: _Tokens | None = None
    context_tokens: _Context | None = None
    price: _Price | None = None


class _File(_Strict):
    agents: Annotated[dict[str, _Agent], Field(max_length=limits.DECLARED_AGENTS_MAX)] = Field(default_factory=dict)
    teams: Annotated[
        dict[str, Annotated[list[_Member], Field(min_length=1, max_length=limits.AGENTS_MAX)]],
        Field(max_length=limits.TEAMS_MAX),
    ] = Field(default_factory=dict)


def _declared(read: _File) -> Declared:
    agents = tuple(
        DeclaredAgent(
            name,
            agent.provider,
            agent.model or "",
            agent.address,
            agent.key_variable,
            agent.persona or "",
            agent.system or "",
            agent.temperature,
            agent.max_tokens,
            agent.context_tokens,
            None if agent.price is None else _price(agent.price),
        )
        for name, agent in read.agents.items()
    )
    return Declared(agents, {name: tuple(members) for name, members in read.teams.items()})


def _price(price: _Price) -> DeclaredPrice:
    return DeclaredPrice(price.input_usd_per_mtok, price.output_usd_per_mtok)


# --- What must hold between the fields


@dataclass(frozen=True, slots=True)
class _Problem:
    """Something wrong at a place of the document; `told` says what and the remedy."""

    place: tuple[int | str, ...]
    told: str

    def line(self, source: str, called: str) -> str:
        shown = ".".join(_shown(str(part)) for part in self.place)
        where = f"{called} line {line_of(source, self.place)}"
        return f"{where}{f', {shown}' if shown else ''}: {self.told.rstrip('.')}."


def _problems(read: _File, reserved: Collection[str]) -> Iterator[_Problem]:
    for name, agent in read.agents.items():
        for at, told in (*_of_name(name), *_of_agent(agent, reserved)):
            yield _Problem(("agents", name, *at), told)
    for team, members in read.teams.items():
        if not _NAME.fullmatch(team):
            yield _Problem(("teams", team), f"this is no name of a team: use {_WHOLE_NAME}")
        for number, member in enumerate(members):
            if told := _of_member(member, read.agents):
                yield _Problem(("teams", team, number), told)
        if len(set(members)) < len(members):
            yield _Problem(("teams", team), "an agent is named twice: each takes part once")
        if team == naming.DEFAULT_TEAM and len(members) < limits.AGENTS_MIN:
            yield _Problem(
                ("teams", team),
                f"it debates where nobody is named, and a debate needs at least {limits.AGENTS_MIN} agents: name more",
            )


_At = tuple[tuple[str, ...], str]


def _of_name(name: str) -> Iterator[_At]:
    if not _NAME.fullmatch(name):
        most = limits.NAME_MAX_CHARS
        yield (), f"this is no name of an agent: use at most {most} {_WHOLE_NAME}, beginning with a letter or digit"
    elif naming.is_built_in(name):
        yield (), "this is the name of a built-in agent: choose another"


def _of_agent(agent: _Agent, reserved: Collection[str]) -> Iterator[_At]:
    if agent.provider not in _PROVIDERS:
        yield ("provider",), f"there is no such provider: choose from {', '.join(_PROVIDERS)}"
        return
    if agent.persona is not None and agent.system is not None:
        yield ("system",), "an agent has a persona or a text of its own: leave one out"
    if agent.key_variable is not None and agent.key_variable in reserved:
        yield (
            ("key_variable",),
            "this variable is this server's own, and no other server may get what it holds: name another",
        )
    if agent.provider == naming.EMBEDDED:
        yield from _of_embedded(agent)
        return
    if agent.persona is not None and agent.persona not in PERSONAS:
        yield ("persona",), f"there is no such persona: choose from {', '.join(PERSONAS)}, or write a system text"
    yield from _of_server(agent)
    provider = BY_NAME.get(agent.provider)
    if provider is not None and not provider.takes_temperature and agent.temperature is not None:
        yield ("temperature",), f"{provider.title} is sent no temperature: leave it out"
    if agent.provider == FALLBACK and agent.price is not None:
        yield ("price",), f"{provider.title if provider else FALLBACK} tells what each call costs: leave it out"


def _of_server(agent: _Agent) -> Iterator[_At]:
    if agent.address is None:
        return
    if agent.provider != naming.LOCAL and agent.key_variable is None:
        usual = BY_NAME[agent.provider].key_variable
        yield (
            ("key_variable",),
            f"an agent with an address of its own names its key: key_variable = {usual!r} sends the usual one there",
        )
    if agent.provider == naming.LOCAL and agent.price is None and not in_own_network(agent.address):
        yield ("price",), _PRICE_WANTED


def _of_embedded(agent: _Agent) -> Iterator[_At]:
    for name in ("model", "address", "key_variable", "system", "price", "context_tokens"):
        if getattr(agent, name) is not None:
            yield (name,), "the embedded model runs in this server, free and as it is: leave this out"
    if agent.persona is not None and agent.persona not in EMBEDDED_PERSONAS:
        yield ("persona",), f"there is no such persona of it: choose from {', '.join(EMBEDDED_PERSONAS)}"


def _of_member(member: str, agents: Mapping[str, _Agent]) -> str:
    """What is wrong with a member of a team; empty where nothing is."""
    if naming.team_of(member) is not None:
        return "a team has agents as its members, not teams: name them"
    try:
        on_the_spot = naming.on_the_spot(member)
    except InvalidInput:
        return _NO_SUCH_MODEL
    if on_the_spot is not None or naming.is_built_in(member) or member in agents:
        return ""
    if any(member == f"{name}-{persona}" for name in agents if _has_voices(agents[name]) for persona in PERSONAS):
        return ""
    return "there is no such agent: declare it in this file, or name one of 'aragora agents' or PROVIDER:MODEL"


def _has_voices(agent: _Agent) -> bool:
    """Whether an agent also comes in personas: where it has none of its own."""
    return agent.provider != naming.EMBEDDED and agent.persona is None and agent.system is None


# --- How a problem is told


def _told(error: Any) -> str:
    """A violation of the schema as a remedy; never with the value."""
    place, kind = error["loc"], error["type"]
    if kind == "extra_forbidden":
        return _unknown(place)
    if kind == "missing":
        return "this is missing: add it" + (f", one of {', '.join(_PROVIDERS)}" if place[-1] == "provider" else "")
    if kind in {"model_type", "dict_type"}:
        return "a table is wanted here, such as [agents.NAME]"
    message = violations.reason(str(error["msg"])).replace("Input should", "it should")
    return message[:1].lower() + message[1:]


def _unknown(place: tuple[int | str, ...]) -> str:
    if len(place) == 1:
        return "there is no such table: the file has [agents.NAME] and [teams]"
    model = _Price if "price" in place[2:-1] else _Agent
    known = f"there is no such setting: choose from {', '.join(model.model_fields)}"
    if _KEY_FIELD.search(str(place[-1])):
        return f"{known}. A key never stands in this file: key_variable names the environment variable that holds it"
    return known


def _shown(part: str) -> str:
    """A name of the file as it is shown: safe, short, and without anything that looks like a key."""
    return _REDACTOR.text("".join(character if character.isprintable() else "?" for character in part[:80]))
