"""What the providers and servers of models answer, for `aragora doctor`: asked with the keys of their agents, for the
lists that `aragora agents --available` shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from aragora.agents import naming
from aragora.agents.declared import DeclaredAgent
from aragora.agents.offered import Offer, offered
from aragora.cli.findings import Finding, fault, ok, warning
from aragora.config.settings import Settings
from aragora.texts import counted

_OF_LOCAL: Final = "ARAGORA_LOCAL_BASE_URL"
_LOAD_ONE: Final = "Load one there (Ollama: ollama pull llama3.2; LM Studio: lms load), or name it in "
_NAMES_TOLD: Final = 3


async def servers_of_models(settings: Settings, declared: Sequence[DeclaredAgent]) -> list[Finding]:
    """A finding for each provider whose key is set, for the local server, and for each server of `declared` agents."""
    offers = await offered(settings, declared)
    return [_finding(offer, _model_named(offer, settings, declared)) for offer in offers]


def _model_named(offer: Offer, settings: Settings, declared: Sequence[DeclaredAgent]) -> str:
    """The model that the server is asked for; empty where it has to offer one."""
    if offer.source != naming.LOCAL:
        return "its provider's own"
    if not offer.agents:
        return settings.local_model or ""
    unnamed = [agent.name for agent in declared if agent.name in offer.agents and not agent.model]
    return "" if unnamed else "those of agents.toml"


def _finding(offer: Offer, named: str) -> Finding:
    host = urlsplit(offer.address).netloc
    if offer.agents:
        subject, broken = f"server of {', '.join(offer.agents)}", warning
    elif offer.source == naming.LOCAL:
        subject, broken = _OF_LOCAL, fault
    else:
        subject, broken = f"provider {offer.source}", warning
    if offer.problem:
        return broken(subject, f"{host}: {offer.problem}", offer.remedy)
    many = counted(len(offer.models) + offer.left_out, "model")
    if offer.first and not named:
        return ok(subject, f"{host}: {many}; {offer.first} is asked")
    if named:
        chosen = f"; {named} is asked, as ARAGORA_LOCAL_MODEL says" if subject == _OF_LOCAL else ""
        return ok(subject, f"{host}: {many}{chosen}")
    others = ", ".join(model.model for model in offer.models[:_NAMES_TOLD])
    told = "it answers, but offers no model" + (f" that can chat, only {others}" if others else "")
    return broken(subject, f"{host}: {told}", f"{_LOAD_ONE}{'agents.toml' if offer.agents else 'ARAGORA_LOCAL_MODEL'}.")
