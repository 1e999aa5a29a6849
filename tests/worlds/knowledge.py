"""Builders of knowledge: statements, sources, items and what is written of them."""

from __future__ import annotations

from typing import Any

from aragora.knowledge.ledger import Added
from aragora.knowledge.model import Basis, Home, ItemKind, Link, Source, SourceKind, Statement
from aragora.knowledge.planning import Addition
from aragora.scope import Scope

HOME = Home("acme", "default")
SCOPE = Scope("acme", frozenset({"default"}))
AT = 1_700_000_000.0


def statement(content: str = "The cache holds 3 replicas.", **of: Any) -> Statement:
    """A fact, unless `of` says otherwise."""
    return Statement(**{"kind": ItemKind.FACT, "content": content, **of})


def about(subject: str, value: str, **of: Any) -> Statement:
    """A statement that gives `subject` a value."""
    return statement(f"{subject} is {value}.", subject=subject, relation="is", value=value, **of)


def source(number: int = 1, *exposed: int, at: float = AT, **of: Any) -> Source:
    """What debate `number` said, that had been shown things from the debates `exposed`."""
    seen = tuple(f"debate:deb_{one}" for one in exposed)
    debate_id = f"deb_{number}"
    return Source(SourceKind.DEBATE, f"debate:{debate_id}", at, seen, debate_id=debate_id, **of)


def addition(
    said: Statement | str, *sources: Source, base: float = 0.6, links: tuple[Link, ...] = (), **of: Any
) -> Addition:
    """A statement to keep, said by debate 1 unless sources are given."""
    one = statement(said) if isinstance(said, str) else said
    return Addition(Added(one, sources or (source(),), base, Basis.VOTED, links=links, **of))
