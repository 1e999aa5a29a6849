"""What an expression can give, as far as that can be told before it runs; and what it can never do. Pure.

A type is what a value may be: of which kinds, and of a list or a map what is within. Only what fails whatever the
values are is told: an operator whose sides never fit, a member that is never there. All else is seen when it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from aragora.workflows.expression_tree import MACROS, Node

_NAMES: Final = {
    "null": "null",
    "boolean": "a boolean",
    "number": "a number",
    "text": "a text",
    "list": "a list",
    "map": "a map",
}
KINDS: Final = frozenset(_NAMES)


@dataclass(frozen=True, slots=True)
class Type:
    """`item`: what a list holds; `members`: of a map all that it may have, by name. None: anything."""

    kinds: frozenset[str]
    item: Type | None = None
    members: Mapping[str, Type] | None = None

    def __str__(self) -> str:
        return " or ".join(name for kind, name in _NAMES.items() if kind in self.kinds)

    def within(self) -> Type:
        """What each item of a list, and each key of a map, may be."""
        keys = TEXT if "map" in self.kinds else None
        items = (self.item or ANY) if "list" in self.kinds else None
        return either(*(one for one in (keys, items) if one is not None)) if keys or items else ANY


ANY: Final = Type(KINDS)
NULL: Final = Type(frozenset({"null"}))
BOOLEAN: Final = Type(frozenset({"boolean"}))
NUMBER: Final = Type(frozenset({"number"}))
TEXT: Final = Type(frozenset({"text"}))
LIST: Final = Type(frozenset({"list"}))
MAP: Final = Type(frozenset({"map"}))


def list_of(item: Type) -> Type:
    """A list of these."""
    return Type(frozenset({"list"}), item)


def map_of(members: Mapping[str, Type]) -> Type:
    """A map with no other members than these; any of them may be missing."""
    return Type(frozenset({"map"}), None, members)


def either(*types: Type) -> Type:
    """What may be any of these."""
    kinds = frozenset().union(*(one.kinds for one in types))
    items = [one.item for one in types if "list" in one.kinds]
    maps = [one.members for one in types if "map" in one.kinds]
    known = [one for one in items if one is not None]
    item = either(*known) if items and len(known) == len(items) else None
    return Type(kinds, item, _joined([one for one in maps if one is not None]) if None not in maps and maps else None)


def _joined(maps: list[Mapping[str, Type]]) -> Mapping[str, Type]:
    names = dict.fromkeys(name for one in maps for name in one)
    return {name: either(*(one[name] for one in maps if name in one)) for name in names}


@dataclass(frozen=True, slots=True)
class Mistake:
    """What can never be done, and where in the text, from 1."""

    message: str
    column: int


def checked_type(tree: Node, names: Mapping[str, Type]) -> tuple[Type, list[Mistake]]:
    """What an expression gives, and its mistakes. `names`: the types of what it may refer to; what is missing there may
    be anything."""
    inference = _Inference()
    return inference.of(tree, names), inference.mistakes


_SAME: Final = {
    "addition_add": ("number", "text", "list"),
    **{f"relation_{one}": ("number", "text", "boolean") for one in ("lt", "le", "gt", "ge")},
}
"""Operators whose sides are of one of these kinds, both of the same."""
_WORDS: Final = {
    "addition_add": "+",
    "addition_sub": "-",
    "multiplication_mul": "*",
    "multiplication_div": "/",
    "multiplication_mod": "%",
    "relation_lt": "<",
    "relation_le": "<=",
    "relation_gt": ">",
    "relation_ge": ">=",
    "relation_in": "in",
    "unary_neg": "-",
    "unary_not": "!",
    "conditionalor": "||",
    "conditionaland": "&&",
}
_SCALARS: Final = Type(frozenset({"text", "number", "boolean"}))
_SIZED: Final = Type(frozenset({"text", "list", "map"}))
_NUMERIC: Final = Type(frozenset({"text", "number"}))
_TRUE_OR_TEXT: Final = Type(frozenset({"text", "boolean"}))
_CALLS: Final[Mapping[str, tuple[tuple[Type, ...], Type]]] = {
    "bool": ((_TRUE_OR_TEXT,), BOOLEAN),
    "double": ((_NUMERIC,), NUMBER),
    "dyn": ((ANY,), ANY),
    "int": ((_NUMERIC,), NUMBER),
    "matches": ((TEXT, TEXT), BOOLEAN),
    "size": ((_SIZED,), NUMBER),
    "string": ((_SCALARS,), TEXT),
    "contains": ((TEXT, TEXT), BOOLEAN),
    "endsWith": ((TEXT, TEXT), BOOLEAN),
    "join": ((LIST, TEXT), TEXT),
    "lowerAscii": ((TEXT,), TEXT),
    "startsWith": ((TEXT, TEXT), BOOLEAN),
    "trim": ((TEXT,), TEXT),
    "upperAscii": ((TEXT,), TEXT),
}
"""What functions and methods take, and give."""


class _Inference:
    def __init__(self) -> None:
        self.mistakes: list[Mistake] = []

    def of(self, node: Node, names: Mapping[str, Type]) -> Type:
        special: Mapping[str, Callable[[Node, Mapping[str, Type]], Type]] = {
            "ident": lambda one, known: known.get(str(one.value), ANY),
            "value": lambda one, _: _literal(one.value),
            "member_dot": self._member,
            "member_index": self._index,
            "member_dot_arg": self._method,
            "ident_arg": self._call,
            "expr": self._choice,
            "list_lit": self._list,
            "map_lit": self._map,
        }
        return special[node.kind](node, names) if node.kind in special else self._operator(node, names)

    def _needs(self, given: Type, wanted: Type, node: Node, what: str) -> None:
        if not given.kinds & wanted.kinds:
            self.mistakes.append(Mistake(f"{what} takes {wanted}, and this is {given}", node.column))

    def _member(self, node: Node, names: Mapping[str, Type]) -> Type:
        return self._at(self.of(node.parts[0], names), str(node.value), node)

    def _at(self, of: Type, name: str, node: Node) -> Type:
        if "map" not in of.kinds:
            self.mistakes.append(Mistake(f"there is no {name!r} in {of}", node.column))
            return ANY
        if of.members is None or of.kinds != MAP.kinds:
            return (of.members or {}).get(name, ANY)
        if name not in of.members:
            there = ", ".join(of.members) or "nothing"
            self.mistakes.append(Mistake(f"there is never a {name!r} here, but {there}", node.column))
            return ANY
        return of.members[name]

    def _index(self, node: Node, names: Mapping[str, Type]) -> Type:
        of, at = self.of(node.parts[0], names), self.of(node.parts[1], names)
        if node.parts[1].kind == "value" and isinstance(node.parts[1].value, str):
            return self._at(of, node.parts[1].value, node)
        if not (("list" in of.kinds and "number" in at.kinds) or ("map" in of.kinds and "text" in at.kinds)):
            self.mistakes.append(Mistake(f"there is nothing in {of} at {at}", node.column))
        return (of.item or ANY) if of.kinds == LIST.kinds else ANY

    def _call(self, node: Node, names: Mapping[str, Type]) -> Type:
        name = str(node.value)
        if name == "has":
            within = self.of(node.parts[0].parts[0], names)
            self._needs(within, MAP, node, "`has`")
            return BOOLEAN
        return self._applied(name, node, names)

    def _applied(self, name: str, node: Node, names: Mapping[str, Type]) -> Type:
        taken, gives = _CALLS[name]
        for wanted, part in zip(taken, node.parts, strict=True):
            self._needs(self.of(part, names), wanted, part, f"`{name}`")
        return gives

    def _method(self, node: Node, names: Mapping[str, Type]) -> Type:
        name = str(node.value)
        return self._macro(name, node, names) if name in MACROS else self._applied(name, node, names)

    def _macro(self, name: str, node: Node, names: Mapping[str, Type]) -> Type:
        of = self.of(node.parts[0], names)
        self._needs(of, Type(LIST.kinds | MAP.kinds), node, f"`{name}`")
        inner = {**names, str(node.parts[1].value): of.within()}
        *tests, last = node.parts[2:]
        for test in tests:
            self._needs(self.of(test, inner), BOOLEAN, test, f"`{name}`")
        gives = self.of(last, inner)
        if name == "map":
            return list_of(gives)
        self._needs(gives, BOOLEAN, last, f"`{name}`")
        return list_of(of.within()) if name == "filter" else BOOLEAN

    def _choice(self, node: Node, names: Mapping[str, Type]) -> Type:
        which, first, second = node.parts
        self._needs(self.of(which, names), BOOLEAN, which, "`?`")
        return either(self.of(first, names), self.of(second, names))

    def _list(self, node: Node, names: Mapping[str, Type]) -> Type:
        items = [self.of(part, names) for part in node.parts]
        return list_of(either(*items)) if items else LIST

    def _map(self, node: Node, names: Mapping[str, Type]) -> Type:
        keys, given = node.parts[::2], [self.of(part, names) for part in node.parts[1::2]]
        for key in keys:
            self._needs(self.of(key, names), TEXT, key, "a key")
        if not all(key.kind == "value" for key in keys):
            return MAP
        return map_of({str(key.value): value for key, value in zip(keys, given, strict=True)})

    def _operator(self, node: Node, names: Mapping[str, Type]) -> Type:
        sides = [self.of(part, names) for part in node.parts]
        word = f"`{_WORDS.get(node.kind, '')}`"
        if node.kind in ("relation_eq", "relation_ne"):
            return BOOLEAN
        if node.kind == "relation_in":
            self._needs(sides[1], Type(LIST.kinds | MAP.kinds), node, word)
            return BOOLEAN
        if node.kind in _SAME:
            return self._alike(node, sides, word)
        wanted = BOOLEAN if node.kind in ("unary_not", "conditionalor", "conditionaland") else NUMBER
        for side, part in zip(sides, node.parts, strict=True):
            self._needs(side, wanted, part, word)
        return wanted

    def _alike(self, node: Node, sides: list[Type], word: str) -> Type:
        shared = sides[0].kinds & sides[1].kinds & {*_SAME[node.kind]}
        if not shared:
            self.mistakes.append(Mistake(f"{word} does not take {sides[0]} and {sides[1]}", node.column))
        if node.kind != "addition_add":
            return BOOLEAN
        return either(*sides) if shared == LIST.kinds else Type(shared or ANY.kinds)


def _literal(value: Any) -> Type:
    if value is None:
        return NULL
    if isinstance(value, bool):
        return BOOLEAN
    return TEXT if isinstance(value, str) else NUMBER
