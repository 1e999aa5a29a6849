"""The agents that given settings and a given agents.toml allow, and who of them debates when somebody asks. Pure, but
for keys: whether one is set is read from the environment where a setting does not hold it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

from aragora import limits
from aragora.agents import naming
from aragora.agents.declared import Declared, DeclaredAgent
from aragora.agents.model import AgentSpec
from aragora.agents.personas import EMBEDDED_PERSONAS, PERSONAS
from aragora.agents.teams import diverse, expanded
from aragora.config.providers import BY_NAME, PROVIDERS, ProviderDeclaration
from aragora.config.settings import Settings
from aragora.errors import InvalidInput, NotFound

EMBEDDED_MODEL: Final = "gemma-3-270m-q4_k_m"

_TEAM_OF_LAST_RESORT: Final = (naming.EMBEDDED, naming.STUB)
_MAX_TOKENS: Final = 4096  # the thoughts of reasoning models count too
_EMBEDDED_MAX_TOKENS: Final = 160
_TEMPERATURE: Final = 0.7
_EMBEDDED_TEMPERATURE: Final = 0.6
_NAMES_TOLD: Final = 40  # where one is wrong: a file may declare hundreds


class Roster:
    """`specs` are the agents that can debate, the better ones first; `unavailable` tells of each declared agent that
    cannot what it lacks."""

    def __init__(self, settings: Settings, declared: Declared) -> None:
        self.declared = declared
        self.teams = declared.teams
        self._settings = settings
        self._vouched = frozenset(member for members in declared.teams.values() for member in members)
        lacking = {agent.name: what for agent in declared.agents if (what := _lacks(agent, settings))}
        self.unavailable: Mapping[str, str] = lacking
        self.specs = (*self._declared(), *_built_in(settings))
        self._by_name = {spec.name: spec for spec in self.specs}

    def spec_of(self, name: str) -> AgentSpec:
        """The agent `name`, whoever may ask for it. Raises NotFound where it is not there, InvalidInput where it
        lacks a key or an address."""
        if name in self._by_name:
            return self._by_name[name]
        if lacks := self._lacks(name):
            raise InvalidInput(f"Agent {name!r} cannot debate now: {lacks}.", code="unknown_agent")
        named = naming.on_the_spot(name)
        if named is not None:
            return self._named(name, named)
        raise NotFound(  # it stands in the debate's record, so it names no others
            f"There is no agent {name[:100]!r} now: agents.toml or the settings have it no more. Declare it again, or ask "
            "another.",
            code="unknown_agent",
        )

    def vouches_for(self, name: str) -> bool:
        """Whether the settings or agents.toml name this agent: it is no model that only a request names."""
        return name in self._by_name or name in self._vouched

    def on_the_spot(self, names: Iterable[str]) -> list[AgentSpec]:
        """Those of `names` that are models named on the spot and can be asked now."""
        found = []
        for name in names:
            with suppress(InvalidInput):  # its key was taken away, or its provider: it is nobody any more
                named = naming.on_the_spot(name)
                if named is not None:
                    found.append(self._named(name, named))
        return found

    def debaters(self, names: Sequence[str]) -> tuple[AgentSpec, ...]:
        """The agents for a debate whose request names these agents and teams; the default team where it names none.

        Raises InvalidInput where one of them is not there, lacks a key, or may not be named by whoever asks.
        """
        wanted = expanded(names, self.teams) if names else self.default_team()
        unknown = [name for name in wanted if not (":" in name or name in self._by_name or self._lacks(name))]
        if unknown:
            raise InvalidInput(
                f"there is no agent {', '.join(repr(name[:100]) for name in unknown)}: choose from {self._known()}",
                code="unknown_agent",
            )
        return tuple(self._debater(name) for name in wanted)

    def default_team(self, size: int = 3) -> tuple[str, ...]:
        """Who debates where a request names nobody: the team `default` of agents.toml; else `size` agents of models as
        different as there are. Embedded agents only where there is no real model, stubs only where there is nothing
        else."""
        if naming.DEFAULT_TEAM in self.teams:
            return self.teams[naming.DEFAULT_TEAM]
        real = [spec for spec in self.specs if spec.provider not in _TEAM_OF_LAST_RESORT]
        for pool in (real, *([spec for spec in self.specs if spec.provider == kind] for kind in _TEAM_OF_LAST_RESORT)):
            if pool:
                return tuple(spec.name for spec in diverse(pool, size))
        return ()

    def _lacks(self, name: str) -> str:
        """What keeps an agent that is declared or built in, or a persona of it, from debating; empty for others."""
        plain = next((plain for persona in PERSONAS if (plain := name.removesuffix(f"-{persona}")) != name), name)
        if name in self.unavailable or plain in self.unavailable:
            return self.unavailable.get(name) or self.unavailable[plain]
        provider = _usual_providers().get(name) or _usual_providers().get(plain)
        return _lacks(DeclaredAgent(name, provider), self._settings) if provider is not None else ""

    def _debater(self, name: str) -> AgentSpec:
        spec = self.spec_of(name)
        if not self.vouches_for(name) and not self._settings.any_model:
            raise InvalidInput(
                f"This server lets no debate name a model as PROVIDER:MODEL, so not {name[:100]!r}: choose from "
                f"{self._known()}. An operator declares it in agents.toml, or sets ARAGORA_MODELS_ON_THE_SPOT=true.",
                code="unknown_agent",
            )
        return spec

    def _named(self, name: str, named: naming.OnTheSpot) -> AgentSpec:
        persona = PERSONAS[named.persona] if named.persona else ""
        lacks = _lacks(DeclaredAgent(name, named.provider, named.model), self._settings)
        if lacks:
            raise InvalidInput(
                f"{name[:100]!r} cannot debate: {lacks}. Available: {self._known()}.", code="unknown_agent"
            )
        if named.provider == naming.LOCAL:
            return AgentSpec(name, naming.LOCAL, named.model, persona=persona, max_tokens=_MAX_TOKENS)
        return replace(_keyed(name, BY_NAME[named.provider], named.model, self._settings), persona=persona)

    def _known(self) -> str:
        names = [*(spec.name for spec in self.specs), *(f"{naming.TEAM}:{team}" for team in self.teams)]
        more = [f"{len(names) - _NAMES_TOLD} more (see 'aragora agents')"] if len(names) > _NAMES_TOLD else []
        return ", ".join([*names[:_NAMES_TOLD], *more]) or "none: set a key, see docs/agents.md"

    def _declared(self) -> Iterator[AgentSpec]:
        names = {agent.name for agent in self.declared.agents}
        for agent in self.declared.agents:
            if agent.name in self.unavailable:
                continue
            spec = _spec(agent, self._settings)
            yield from (
                [spec] if spec.persona else (one for one in _voices(spec) if one is spec or one.name not in names)
            )


def _usual_providers() -> dict[str, str]:
    """The provider of each built-in agent, personas left out."""
    embedded = {f"{naming.EMBEDDED}-{persona}": naming.EMBEDDED for persona in EMBEDDED_PERSONAS}
    return {provider.agent: provider.name for provider in PROVIDERS} | {naming.LOCAL: naming.LOCAL} | embedded


def _lacks(agent: DeclaredAgent, settings: Settings) -> str:
    """What keeps an agent from debating under these settings; empty where nothing does."""
    if agent.provider == naming.EMBEDDED:
        return "" if settings.embedded_agents else "ARAGORA_EMBEDDED_AGENTS is false"
    if agent.provider == naming.LOCAL and agent.address is None and settings.local_base_url is None:
        return "ARAGORA_LOCAL_BASE_URL is not set: set it to the address of a server that speaks OpenAI's API"
    provider = BY_NAME.get(agent.provider)
    variable = agent.key_variable or (None if provider is None else provider.key_variable)
    if variable is not None and settings.named_key(variable) is None:
        return f"{variable} is not set: set it to the key of {provider.title if provider else 'its server'}"
    return ""


def _spec(agent: DeclaredAgent, settings: Settings) -> AgentSpec:
    if agent.provider == naming.EMBEDDED:
        spec = _embedded(agent.name, agent.persona or next(iter(EMBEDDED_PERSONAS)))
    else:
        if agent.provider == naming.LOCAL:
            usual = "" if agent.address is not None else settings.local_model or ""
            spec = AgentSpec(agent.name, naming.LOCAL, agent.model or usual, max_tokens=_MAX_TOKENS)
        else:
            spec = _keyed(agent.name, BY_NAME[agent.provider], agent.model or None, settings)
        spec = replace(spec, persona=agent.system or (PERSONAS[agent.persona] if agent.persona else ""))
    return replace(
        spec,
        fallback_model=None if agent.address is not None else spec.fallback_model,
        temperature=spec.temperature if agent.temperature is None else agent.temperature,
        insists_on_temperature=agent.temperature is not None,
        max_tokens=spec.max_tokens if agent.max_tokens is None else agent.max_tokens,
        address=agent.address,
        key_variable=agent.key_variable,
        context_tokens=agent.context_tokens,
        price=agent.price,
    )


def _built_in(settings: Settings) -> Iterator[AgentSpec]:
    for provider in PROVIDERS:
        if settings.provider_key(provider.name) is not None:
            yield from _voices(_keyed(provider.agent, provider, None, settings))
    if settings.local_base_url is not None:
        local = AgentSpec(naming.LOCAL, naming.LOCAL, settings.local_model or "", max_tokens=_MAX_TOKENS)
        yield from _voices(local)
    if settings.embedded_agents:
        for persona in EMBEDDED_PERSONAS:
            yield _embedded(f"{naming.EMBEDDED}-{persona}", persona)
    for number in range(1, settings.stub_agents + 1):
        yield AgentSpec(f"{naming.STUB}-{number}", naming.STUB, "stub")


def _keyed(name: str, provider: ProviderDeclaration, model: str | None, settings: Settings) -> AgentSpec:
    """An agent of a declared provider; `model` None: the one that the settings choose, else the provider's own."""
    chosen = model or settings.provider_model(provider.name)
    asked = chosen or provider.model
    return AgentSpec(
        name,
        provider.name,
        asked,
        provider.openrouter_model(asked),
        temperature=_TEMPERATURE,
        max_tokens=_MAX_TOKENS,
        options=dict(provider.options) if chosen is None and provider.options else None,
    )


def _embedded(name: str, persona: str) -> AgentSpec:
    return AgentSpec(
        name,
        naming.EMBEDDED,
        EMBEDDED_MODEL,
        persona=EMBEDDED_PERSONAS[persona],
        temperature=_EMBEDDED_TEMPERATURE,
        max_tokens=_EMBEDDED_MAX_TOKENS,
        options={"persona": persona},
    )


def _voices(spec: AgentSpec) -> Iterator[AgentSpec]:
    yield spec
    for persona, told in PERSONAS.items():
        name = f"{spec.name}-{persona}"
        if len(name) <= limits.NAME_MAX_CHARS:
            yield replace(spec, name=name, persona=told)
