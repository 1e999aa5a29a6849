"""Variables that look like settings of Aragora's and are none: a misspelt name has no effect, in silence. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Final

from aragora.config.settings import Settings, variable_of

_PREFIX: Final = "ARAGORA_"
_BETWEEN_PROCESSES: Final = frozenset(
    {
        "ARAGORA_GCS_AT",
        "ARAGORA_HAPROXY_BINARY",
        "ARAGORA_HTTP_BIND",
        "ARAGORA_NODE_AT",
        "ARAGORA_NODE_OF",
        "ARAGORA_RUN_DIRECTORY",
        "ARAGORA_SERVER_OF",
    }
)
"""What the server tells its own processes; no settings of an operator."""
_ALIKE: Final = 0.75


def unknown_variables(environment: Mapping[str, str], named: Iterable[str] = ()) -> dict[str, str]:
    """The variables that begin like settings, are set, and are none; each with the name that was probably meant, empty
    where none is alike. `named`: those that agents.toml names as holding a key."""
    known = {variable_of(name, field) for name, field in Settings.model_fields.items()}
    own = known | _BETWEEN_PROCESSES | set(named)
    unknown = sorted(
        name
        for name, text in environment.items()
        if name.upper().startswith(_PREFIX) and text.strip() and name not in own
    )
    return {name: _nearest(name.upper(), known) for name in unknown}


def told(environment: Mapping[str, str], named: Iterable[str] = ()) -> Iterator[tuple[str, str]]:
    """What is wrong with each of them, and what to do; never a value."""
    for name, nearest in unknown_variables(environment, named).items():
        shown = "".join(character if character.isprintable() else "?" for character in name)
        mend = f"Is {nearest} meant?" if nearest else "Take it away; docs/ENVIRONMENT.md lists every variable."
        yield f"{shown} is no setting, and has no effect", mend


def _nearest(name: str, known: set[str]) -> str:
    """The setting of that name in capitals or without the prefix, else the one that is most alike."""
    for meant in (name, name.removeprefix(_PREFIX)):
        if meant in known:
            return meant
    return next(iter(get_close_matches(name, sorted(known), 1, _ALIKE)), "")
