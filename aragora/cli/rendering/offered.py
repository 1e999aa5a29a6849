"""The models that providers and servers offer: a table for each, and what could not be asked with its cause."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from rich.console import Console

from aragora.agents.offered import Offer
from aragora.agents.offers import OfferedModel
from aragora.cli.rendering.layout import Heading, Listing
from aragora.cli.rendering.terminal import say, who
from aragora.config.providers import BY_NAME
from aragora.texts import counted

NOTHING_SET: Final = (
    "No key and no local server is set, so there is nobody to ask but the embedded model. Set a key (ANTHROPIC_API_KEY, "
    "OPENROUTER_API_KEY, ...) or ARAGORA_LOCAL_BASE_URL; docs/agents.md has them all."
)
HOW: Final = "Name a model wherever agents are named: aragora ask --agents NAME,NAME,NAME QUESTION"
HOW_DECLARED: Final = "With these settings no debate may name a model so: declare it in agents.toml, or set ARAGORA_MODELS_ON_THE_SPOT=true."
TO_DECLARE: Final = "cannot be named so: declare it in agents.toml"


def print_offers(console: Console, offers: Iterable[Offer], how: str) -> None:
    """A heading, a table and the rest in words for each offer; in the end `how` its models get into a debate."""
    for offer in offers:
        console.print(Heading(_title(offer)))
        if offer.problem:
            console.print(say(f"{offer.problem}. {offer.remedy}", "red"))
            continue
        chatting = [model for model in offer.models if model.chats]
        if chatting:
            console.print(_table(offer, chatting))
        silent = len(offer.models) - len(chatting)
        if silent:
            console.print(say(f"{counted(silent, 'model')} left out: no chat (embedding, images, speech).", "dim"))
        if offer.left_out:
            console.print(say(f"{counted(offer.left_out, 'more model')}.", "dim"))
        if not offer.models:
            console.print(say("No model: load one there.", "yellow"))
    console.print(say(how, "dim"))


def _title(offer: Offer) -> str:
    title = BY_NAME[offer.source].title if offer.source in BY_NAME else "Local server"
    asked_by = f", asked by {', '.join(offer.agents)}" if offer.agents else ""
    return f"{title} ({offer.address}){asked_by}"


def _table(offer: Offer, models: Iterable[OfferedModel]) -> Listing:
    table = Listing("model" if offer.agents else "name", "context", "in $/M", "out $/M")
    for model in models:
        name = say(model.model) if offer.agents else who(model.agent) if model.agent else say(_unnamed(model))
        table.row(name, _tokens(model.context_tokens), _usd(model.input_usd_per_mtok), _usd(model.output_usd_per_mtok))
    return table


def _unnamed(model: OfferedModel) -> str:
    return f"{model.model} ({TO_DECLARE})"


def _tokens(count: int | None) -> str:
    if count is None:
        return "-"
    return f"{count // 1000}k" if count >= 1000 else str(count)


def _usd(price: float | None) -> str:
    return "-" if price is None else f"{price:.2f}"
