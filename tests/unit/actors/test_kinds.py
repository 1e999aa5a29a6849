"""The declarations of the kinds: each names a class that exists and can be created as the runtime does it."""

from __future__ import annotations

import inspect
from functools import partial
from importlib import import_module
from typing import Any

import pytest

from actors import kinds, whereabouts
from actors.kinds import Kind
from aragora.composition.cluster.draining import MOVED_IN_ORDER
from aragora.config.settings import Settings
from aragora.storage.database import Database

ALL: list[Kind[Any]] = [value for value in vars(kinds).values() if isinstance(value, Kind)]


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.name)
def test_a_kind_names_a_class_that_takes_a_key_and_the_settings(kind: Kind[Any]) -> None:
    parameters = inspect.signature(kind.actor_class()).parameters.values()
    needed = [one.name for one in parameters if one.default is inspect.Parameter.empty]
    assert needed == ["key", "settings"]


def test_what_kinds_bring_are_functions_of_the_composition() -> None:
    for module, _, function in (kind.brings.partition(":") for kind in ALL if kind.brings):
        assert module.startswith("aragora.composition.")
        assert callable(getattr(import_module(module), function))


def test_names_are_unique() -> None:
    assert len({kind.name for kind in ALL}) == len(ALL) >= 4


def test_an_actor_gets_what_its_kind_brings() -> None:
    opened = partial(Database.open, Settings())
    kind: Kind[object] = Kind("k", "nowhere:K", brings="builtins:getattr")
    assert kind.bring(opened, "func") == opened.func  # type: ignore[arg-type]  any function of two


def test_a_kind_that_brings_nothing_says_so() -> None:
    with pytest.raises(LookupError, match="actors of the kind k bring nothing"):
        Kind("k", "nowhere:K").bring(partial(Database.open, Settings()), Settings())


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.name)
def test_an_actor_of_each_kind_is_found_and_moves_when_its_node_drains(kind: Kind[Any]) -> None:
    assert whereabouts._kind(f"{kind.name}/one") == kind.name
    assert kind.name in MOVED_IN_ORDER
