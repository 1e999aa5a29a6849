"""The agents there are now: by the settings, by agents.toml, and by what a debate names on the spot.

Names are stable, because they stand in journals and ratings: the agents of `aragora.config.providers`, `local`,
`embedded-*`, `stub-N`, the names of agents.toml, and `PROVIDER:MODEL` (`aragora.agents.naming`). Every agent with a
real model and no persona of its own also comes in personas (`anthropic-api-skeptic`), so that a single key is enough
for a debate with several voices.

A `Catalog` is for those who live long: its roster follows the file. The functions look once.
"""

from __future__ import annotations

from aragora.agents.agents_file import agents_file
from aragora.agents.building import build_fallback, build_provider
from aragora.agents.declared import Declared
from aragora.agents.model import AgentSpec
from aragora.agents.roster import Roster
from aragora.config.settings import Settings
from aragora.observability.logging import keep_out

__all__ = ["Catalog", "available", "build_fallback", "build_provider", "check", "default_team", "spec_of"]


class Catalog:
    """The agents under these settings, whatever agents.toml says when somebody asks."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._file = agents_file(settings)
        self._roster: Roster | None = None

    @property
    def problem(self) -> str | None:
        """What is wrong with agents.toml, so that an earlier one is in force; None where nothing is."""
        self._file.current()
        return self._file.problem

    def roster(self) -> Roster:
        """Who there is now. The same object until the file changes."""
        declared = self._file.current()
        if self._roster is None or self._roster.declared is not declared:
            keep_out(_own_keys(declared, self._settings))
            self._roster = Roster(self._settings, declared)
        return self._roster


def available(settings: Settings) -> tuple[AgentSpec, ...]:
    """Every agent that can debate, the better ones first; each with its personas."""
    return Catalog(settings).roster().specs


def spec_of(name: str, settings: Settings) -> AgentSpec:
    """The agent `name`, also a model named on the spot. Raises NotFound where there is none, InvalidInput where a key
    or an address is not set."""
    return Catalog(settings).roster().spec_of(name)


def default_team(settings: Settings, size: int = 3) -> tuple[str, ...]:
    """Who debates where a debate names nobody: see `Roster.default_team`."""
    return Catalog(settings).roster().default_team(size)


def check(settings: Settings) -> Declared:
    """What agents.toml declares now. Raises Misconfigured where it is wrong, with line, field and remedy: a server must
    not start so."""
    return agents_file(settings).check()


def _own_keys(declared: Declared, settings: Settings) -> set[str]:
    """The keys that the file names: those that are no settings must be kept out of the logs, too."""
    named = (settings.named_key(agent.key_variable) for agent in declared.agents if agent.key_variable is not None)
    return {key.get_secret_value() for key in named if key is not None}
