"""The text of an expression as a tree. cel-python's grammar reads it, after a scan that refuses what must not reach it.

A text is scanned before it is parsed: its length, its brackets, its macros within macros, its characters. The literals
of texts are taken out on the way: the grammar's pattern for them takes time that doubles with each backslash where a
quote is missing (58 characters took over a minute), so it is given blank ones of the same length.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from aragora import texts
from aragora.workflows.definition import EXPRESSION_MAX_CHARS
from aragora.workflows.expression_values import INT_MAX, INT_MIN, ExpressionError

MACROS: Final = frozenset({"all", "exists", "exists_one", "filter", "map"})
BRACKETS_MAX: Final = 20  # within each other
MACROS_MAX: Final = 3  # within each other
DEPTH_MAX: Final = 64  # of the tree: a sum of so many numbers has it
RESERVED: Final = frozenset(
    [
        "as",
        "break",
        "const",
        "continue",
        "else",
        "false",
        "for",
        "function",
        "if",
        "import",
        "in",
        "let",
        "loop",
        "null",
        "namespace",
        "package",
        "return",
        "true",
        "var",
        "void",
        "while",
    ]
)

_CHAINS: Final = frozenset(
    {"expr", "conditionalor", "conditionaland", "relation", "addition", "multiplication", "unary", "member", "primary"}
)
_TOKEN: Final = re.compile(
    r"(?P<quote>(?P<prefix>[rRbB]{0,2})(?P<mark>\"\"\"|'''|\"|'))|(?P<macro>\.\s*(?:all|exists|exists_one|filter|map)\s*\()"
    r"|(?P<open>[(\[{])|(?P<close>[)\]}])|(?P<comment>//)|(?P<word>[A-Za-z_][A-Za-z0-9_]*)"
)
_ESCAPE: Final = re.compile(
    r"\\(?:([abfnrtv\"'`?\\])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|)", re.DOTALL
)
_ESCAPES: Final = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_CLOSING: Final = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True, slots=True)
class Node:
    """One operation. `kind` is the grammar's word for it (`addition_add`, `member_dot`, `ident`), or `value`; `value`
    is a literal's value, or a name. `column` is its place in the text, from 1."""

    kind: str
    value: Any
    parts: tuple[Node, ...]
    column: int


def read(text: str) -> Node:
    """The tree of an expression. Raises ExpressionError, with the column, where it is none or is over a bound."""
    if not text.strip():
        raise ExpressionError("The expression is empty.", column=1)
    if len(text) > EXPRESSION_MAX_CHARS:
        raise ExpressionError(f"The expression has {len(text)} characters; {EXPRESSION_MAX_CHARS} are the most.")
    try:
        texts.prose(text)
    except ValueError as error:
        raise ExpressionError(f"The expression: {error}.") from None
    plain, literals = _scanned(text)
    return _Reader(literals).node(_parsed(plain), 1)


def _scanned(text: str) -> tuple[str, dict[int, str]]:
    """The text with blank literals, and what these said, by their place."""
    plain: list[str] = []
    literals: dict[int, str] = {}
    opened: list[tuple[str, bool]] = []
    at = 0
    while found := _TOKEN.search(text, at):
        plain.append(text[at : found.start()])
        at = found.end()
        if found["quote"]:
            at, literals[found.start()] = _literal(text, found)
            plain.append('"' + "x" * (at - found.start() - 2) + '"')
            continue
        plain.append(found[0])
        if found["comment"]:
            raise ExpressionError("An expression has no comments: leave `//` out.", column=found.start() + 1)
        if found["open"] or found["macro"]:
            opened.append((found["open"] or "(", bool(found["macro"])))
            if len(opened) > BRACKETS_MAX:
                raise ExpressionError(f"Over {BRACKETS_MAX} brackets within each other.", column=found.start() + 1)
            if sum(macro for _, macro in opened) > MACROS_MAX:
                raise ExpressionError(f"Over {MACROS_MAX} macros within each other.", column=found.start() + 1)
        elif found["close"] and (not opened or _CLOSING[opened.pop()[0]] != found["close"]):
            raise ExpressionError(f"`{found['close']}` closes nothing.", column=found.start() + 1)
    if opened:
        raise ExpressionError(f"A `{opened[-1][0]}` is not closed.", column=len(text))
    plain.append(text[at:])
    return "".join(plain), literals


def _literal(text: str, found: re.Match[str]) -> tuple[int, str]:
    prefix, mark, column = found["prefix"].lower(), found["mark"], found.start() + 1
    if "b" in prefix:
        raise ExpressionError("There are no bytes in JSON: write a text.", column=column)
    raw, at = prefix == "r", found.end()
    while not text.startswith(mark, at):
        if at >= len(text) or (text[at] == "\n" and len(mark) == 1):
            raise ExpressionError(f"The text that begins with {mark} does not end.", column=column)
        at += 2 if text[at] == "\\" and not raw else 1
    inner = text[found.end() : at]
    return at + len(mark), inner if raw else _unescaped(inner, column)


def _unescaped(inner: str, column: int) -> str:
    def one(found: re.Match[str]) -> str:
        letter, *hexadecimal, octal = found.groups()
        if letter:
            return _ESCAPES.get(letter, letter)
        digits = next((each for each in hexadecimal if each), None)
        number = int(digits, 16) if digits else int(octal, 8) if octal else -1
        if not 0 <= number <= 0x10FFFF:
            raise ExpressionError("A backslash in a text stands before no character of CEL.", column=column)
        return chr(number)

    value = _ESCAPE.sub(one, inner)
    try:
        return texts.prose(value)
    except ValueError as error:
        raise ExpressionError(f"A text in the expression: {error}.", column=column) from None


def _parsed(plain: str) -> Any:
    from celpy.celparser import CELParseError  # noqa: PLC0415  it takes some 50 ms, and most processes need no grammar

    try:
        return _grammar().parse(plain)
    except CELParseError as error:
        column = error.column if error.column and error.column > 0 else len(plain)
        line = error.line if error.line and error.line > 0 else 1
        before = sum(len(each) + 1 for each in plain.split("\n")[: line - 1])
        raise ExpressionError("The expression is not CEL from here on.", column=before + column) from None


@cache
def _grammar() -> Any:
    import lark  # noqa: PLC0415
    from celpy.celparser import CELParser  # noqa: PLC0415

    return CELParser(tree_class=lark.Tree)


class _Reader:
    """The grammar's tree without its chains of rules that say nothing, and with the values of literals."""

    def __init__(self, literals: dict[int, str]) -> None:
        self._literals = literals

    def node(self, tree: Any, depth: int) -> Node:
        while tree.data in _CHAINS and len(tree.children) == 1:
            tree = tree.children[0]
        kind, column = str(tree.data), _column(tree)
        if depth > DEPTH_MAX:
            raise ExpressionError(f"The expression nests deeper than {DEPTH_MAX}.", column=column)
        if kind == "literal":
            return self._value(tree.children[0])
        if kind in ("member_object", "dot_ident", "dot_ident_arg"):
            raise ExpressionError("There are no messages of Protocol Buffers here.", column=column)
        if kind == "paren_expr":
            return self.node(tree.children[0], depth + 1)
        if kind in _CHAINS and kind != "expr":
            return self._operation(tree, kind, column, depth)
        tokens = [str(each) for each in tree.children if not hasattr(each, "data")]
        inner = [each for each in tree.children if hasattr(each, "data")]
        parts = [
            self.node(part, depth + 1)
            for each in inner
            for part in (each.children if str(each.data) in ("exprlist", "mapinits") else [each])
        ]
        if kind == "ident" and tokens[0] in RESERVED:
            raise ExpressionError(f"`{tokens[0]}` is a word of CEL and no name.", column=column)
        return Node(kind, tokens[0] if tokens else None, tuple(parts), column)

    def _operation(self, tree: Any, kind: str, column: int, depth: int) -> Node:
        """`a || b`, `a + b`, `!a`: the operator may stand in a rule of its own, around what is left of it."""
        first, right = tree.children
        if kind in ("conditionalor", "conditionaland"):
            return Node(kind, None, (self.node(first, depth + 1), self.node(right, depth + 1)), column)
        left = (self.node(first.children[0], depth + 1),) if first.children else ()
        return Node(str(first.data), None, (*left, self.node(right, depth + 1)), column)

    def _value(self, token: Any) -> Node:
        place = token.start_pos or 0
        text = str(token)
        value: Any = None
        match token.type:
            case "STRING_LIT" | "MLSTRING_LIT":
                value = self._literals[place]
            case "BOOL_LIT":
                value = text == "true"
            case "FLOAT_LIT":
                value = float(text)
            case "INT_LIT":
                value = int(text, 16 if "0x" in text else 10)
            case "NULL_LIT":
                pass
            case _:
                raise ExpressionError("There are no unsigned integers in JSON: leave the `u` out.", column=place + 1)
        if isinstance(value, float) and value in (float("inf"), float("-inf")):
            raise ExpressionError("The number is too large.", column=place + 1)
        if type(value) is int and not INT_MIN <= value <= INT_MAX:
            raise ExpressionError("An integer has 64 bits at the most.", column=place + 1)
        return Node("value", value, (), place + 1)


def _column(tree: Any) -> int:
    start = getattr(tree.meta, "start_pos", None)
    return 1 if start is None else start + 1
