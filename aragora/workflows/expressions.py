"""Expressions of workflows: CEL (Common Expression Language) over JSON values. Pure, and bounded.

The text is read by cel-python's grammar, in `aragora.workflows.expression_tree`; operators are in
`aragora.workflows.expression_values`, functions in `aragora.workflows.expression_functions`. A tree becomes Python
functions, once; they charge all that they do to a budget, so that an expression ends within some 50 ms whatever it and
its values are (ADR 13). The same expression over the same values always gives the same: there is no clock, and the
budget counts steps and not time.

Differences from CEL: values are those of JSON (no bytes, timestamps, durations, unsigned integers, types, messages);
an integer beside a double is taken as a double; and `join`, `lowerAscii`, `upperAscii` and `trim` are there, as in the
extensions of other implementations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from aragora.workflows import expression_values as values
from aragora.workflows.expression_functions import FUNCTIONS, METHODS
from aragora.workflows.expression_tree import MACROS, Node, read
from aragora.workflows.expression_values import Budget, ExpressionError, SpentError, kind_of

COMPILED_MAX: Final = 4_096  # expressions kept, of all definitions
_SHOWN_CHARS: Final = 40  # of an expression or a name in an error

Scope = dict[str, Any]
Run = Callable[[Scope, Budget], Any]
Bound = frozenset[str]

__all__ = ["Expression", "ExpressionError", "compiled", "condition", "evaluate", "names_used"]


@dataclass(frozen=True, slots=True)
class Expression:
    """A text that was read. `names`: what it refers to, as `names_used` says."""

    text: str
    names: frozenset[str]
    tree: Node = field(repr=False, compare=False)
    run: Run = field(repr=False, compare=False)


@lru_cache(maxsize=COMPILED_MAX)
def compiled(text: str) -> Expression:
    """Read an expression. Raises ExpressionError, with the place, where it is no CEL, or is too long or too deep."""
    compiler = _Compiler()
    tree = read(text)
    run = compiler.function(tree, frozenset())
    return Expression(text, frozenset(compiler.names), tree, run)


def evaluate(expression: Expression | str, names: Mapping[str, Any], budget: Budget | None = None) -> Any:
    """What an expression gives: None, a bool, an int of 64 bits, a finite float, a str, a list or a dict.

    Args:
        expression: as text, or as `compiled` gave it.
        names: what the expression may refer to, by name: JSON values. They are not changed, and what comes out may
            share parts with them.
        budget: what this one shares with others; None: it has one for itself.

    Raises ExpressionError where the expression is wrong, refers to what is not there, adds what cannot be added,
    divides by zero, takes too long or gives too much."""
    known = compiled(expression) if isinstance(expression, str) else expression
    spent = Budget() if budget is None else budget
    try:
        value = known.run(dict(names), spent)
        values.check_result(value, spent)
    except SpentError:
        raise ExpressionError(
            f"The expression {_shown(known.text)} does too much: give it shorter lists or texts.", code="too_large"
        ) from None
    except RecursionError:
        raise ExpressionError(f"The values of {_shown(known.text)} nest too deep.", code="too_large") from None
    return value


def condition(expression: Expression | str, names: Mapping[str, Any], budget: Budget | None = None) -> bool:
    """Whether a condition holds. `budget` as in `evaluate`. Raises ExpressionError as that does, and where it gives no
    true or false."""
    value = evaluate(expression, names, budget)
    if not isinstance(value, bool):
        text = expression if isinstance(expression, str) else expression.text
        raise ExpressionError(f"The condition {_shown(text)} gives {kind_of(value)} and not true or false.")
    return value


def names_used(expression: Expression | str) -> frozenset[str]:
    """What an expression refers to: `inputs.NAME` and `steps.ID`, else the first name alone (`item`, `round`; and
    `steps`, where it takes a step that is known only when it runs). Raises ExpressionError where it is no CEL."""
    return (compiled(expression) if isinstance(expression, str) else expression).names


class _Compiler:
    """Makes functions of a tree, and notes the names that it refers to. `bound`: the variables of macros around."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def function(self, node: Node, bound: Bound) -> Run:
        special = {
            "ident": self._name,
            "member_dot": self._member,
            "member_index": self._index,
            "member_dot_arg": self._method,
            "ident_arg": self._call,
            "expr": self._choice,
        }.get(node.kind)
        if special is not None:
            return special(node, bound)
        if node.kind == "value":
            return _literal(node.value)
        parts = [self.function(part, bound) for part in node.parts]
        if node.kind in ("conditionalor", "conditionaland"):
            return _logical(parts[0], parts[1], node.kind == "conditionalor", node.column)
        if node.kind == "list_lit":
            return _list(parts)
        return _map(parts, node.column) if node.kind == "map_lit" else _operator(node, parts)

    def _name(self, node: Node, bound: Bound) -> Run:
        name, column = str(node.value), node.column
        if name not in bound:
            self.names.add(name)

        def run(scope: Scope, budget: Budget) -> Any:
            budget.spend(1)
            if name not in scope:
                raise ExpressionError(f"There is no {_shown(name)}.", column=column)
            return scope[name]

        return run

    def _note(self, node: Node, member: Any, bound: Bound) -> bool:
        """Note `inputs.NAME` and `steps.ID` as one name."""
        of = node.parts[0]
        named = of.kind == "ident" and of.value in ("inputs", "steps") and of.value not in bound
        if named and isinstance(member, str):
            self.names.add(f"{of.value}.{member}")
            return True
        return False

    def _of(self, node: Node, member: Any, bound: Bound) -> Run:
        if not self._note(node, member, bound):
            return self.function(node.parts[0], bound)
        within = _Compiler()  # `inputs` alone is not noted again
        return within.function(node.parts[0], bound)

    def _member(self, node: Node, bound: Bound) -> Run:
        name, column = str(node.value), node.column
        of = self._of(node, name, bound)

        def run(scope: Scope, budget: Budget) -> Any:
            budget.spend(1)
            value = of(scope, budget)
            if not isinstance(value, Mapping):
                raise ExpressionError(f"There is no {_shown(name)} in {kind_of(value)}.", column=column)
            if name not in value:
                raise ExpressionError(f"There is no {_shown(name)} here.", column=column)
            return value[name]

        return run

    def _index(self, node: Node, bound: Bound) -> Run:
        member = node.parts[1].value if node.parts[1].kind == "value" else None
        of, at = self._of(node, member, bound), self.function(node.parts[1], bound)
        column = node.column

        def run(scope: Scope, budget: Budget) -> Any:
            budget.spend(1)
            container, index = of(scope, budget), at(scope, budget)
            try:
                return values.item_of(container, index)
            except TypeError:
                wrong = f"There is nothing in {kind_of(container)} at {kind_of(index)}."
            except KeyError:
                wrong = f"There is no {_shown(index)} here."
            except IndexError:
                wrong = f"The list has {len(container)} items, and none at {index}."
            raise ExpressionError(wrong, column=column)

        return run

    def _call(self, node: Node, bound: Bound) -> Run:
        name, column = str(node.value), node.column
        if name == "has":
            if len(node.parts) != 1 or node.parts[0].kind != "member_dot":
                raise ExpressionError("`has` takes one member: has(a.b).", column=column)
            member = str(node.parts[0].value)
            of = self._of(node.parts[0], member, bound)

            def has(scope: Scope, budget: Budget) -> bool:
                budget.spend(1)
                value = of(scope, budget)
                if not isinstance(value, Mapping):
                    raise ExpressionError(f"There are no members in {kind_of(value)}.", column=column)
                return member in value

            return has
        return self._applied(FUNCTIONS, node, name, node.parts, bound)

    def _method(self, node: Node, bound: Bound) -> Run:
        name = str(node.value)
        if name in MACROS:
            return self._macro(node, name, bound)
        return self._applied(METHODS, node, name, node.parts, bound)

    def _applied(
        self,
        known: Mapping[str, tuple[int, Callable[..., Any]]],
        node: Node,
        name: str,
        parts: tuple[Node, ...],
        bound: Bound,
    ) -> Run:
        if name not in known:
            raise ExpressionError(f"There is no function {_shown(name)} here.", column=node.column)
        count, function = known[name]
        if len(parts) != count:
            raise ExpressionError(f"{_shown(name)} does not take {len(parts)} values.", column=node.column)
        arguments = [self.function(part, bound) for part in parts]
        return _guarded(f"`{name}`", function, arguments, node.column)

    def _macro(self, node: Node, name: str, bound: Bound) -> Run:
        of, *arguments = node.parts
        if len(arguments) not in ((2, 3) if name == "map" else (2,)) or arguments[0].kind != "ident":
            raise ExpressionError(f"`{name}` takes a name and an expression: x.{name}(each, ...).", column=node.column)
        variable = str(arguments[0].value)
        over = self.function(of, bound)
        bodies = [self.function(each, bound | {variable}) for each in arguments[1:]]
        return _macro(name, variable, over, bodies, node.column)

    def _choice(self, node: Node, bound: Bound) -> Run:
        which, first, second = (self.function(part, bound) for part in node.parts)
        column = node.column

        def run(scope: Scope, budget: Budget) -> Any:
            budget.spend(1)
            return (first if _truth(which(scope, budget), column) else second)(scope, budget)

        return run


def _literal(value: Any) -> Run:
    def run(_scope: Scope, budget: Budget) -> Any:
        budget.spend(1)
        return value

    return run


def _list(items: list[Run]) -> Run:
    def run(scope: Scope, budget: Budget) -> list[Any]:
        budget.spend(1)
        return [item(scope, budget) for item in items]

    return run


def _map(parts: list[Run], column: int) -> Run:
    def run(scope: Scope, budget: Budget) -> dict[str, Any]:
        budget.spend(1)
        made: dict[str, Any] = {}
        for key_of, value_of in zip(parts[::2], parts[1::2], strict=True):
            key = key_of(scope, budget)
            if not isinstance(key, str) or key in made:
                raise ExpressionError("The keys of a map are texts, each once.", column=column)
            made[key] = value_of(scope, budget)
        return made

    return run


def _logical(left: Run, right: Run, decisive: bool, column: int) -> Run:
    """`||` (decided by true) and `&&` (by false). As CEL has it, a side that fails does not matter where the other
    one decides."""

    def run(scope: Scope, budget: Budget) -> bool:
        budget.spend(1)
        try:
            first = _truth(left(scope, budget), column)
        except ExpressionError:
            if _truth(right(scope, budget), column) is decisive:
                return decisive
            raise
        return decisive if first is decisive else _truth(right(scope, budget), column)

    return run


def _macro(name: str, variable: str, over: Run, bodies: list[Run], column: int) -> Run:
    def each(scope: Scope, budget: Budget) -> Any:
        container = over(scope, budget)
        if not isinstance(container, Mapping) and not values.is_list(container):
            raise ExpressionError(f"There are no items in {kind_of(container)}.", column=column)
        inner = dict(scope)
        budget.spend(1 + len(inner))
        for item in container:
            budget.spend(2)
            inner[variable] = item
            yield item, inner

    def run(scope: Scope, budget: Budget) -> Any:
        if name in ("all", "exists"):
            return _any_decides(each(scope, budget), bodies[0], name == "exists", budget, column)
        found = []
        test = bodies[0] if name != "map" or len(bodies) > 1 else None
        for item, inner in each(scope, budget):
            if test is None or _truth(test(inner, budget), column):
                found.append(bodies[-1](inner, budget) if name == "map" else item)
        return len(found) == 1 if name == "exists_one" else found

    return run


def _any_decides(items: Any, body: Run, decisive: bool, budget: Budget, column: int) -> bool:
    failed: ExpressionError | None = None
    for _, inner in items:
        try:
            if _truth(body(inner, budget), column) is decisive:
                return decisive
        except ExpressionError as error:
            failed = failed or error
    if failed is not None:
        raise failed
    return not decisive


def _truth(value: Any, column: int) -> bool:
    if not isinstance(value, bool):
        raise ExpressionError(f"True or false is needed here, and not {kind_of(value)}.", column=column)
    return value


_OPERATORS: Final[dict[str, tuple[str, Callable[..., Any]]]] = {
    "addition_add": ("`+`", lambda budget, left, right: values.added(left, right, budget)),
    "addition_sub": ("`-`", lambda _, left, right: values.subtracted(left, right)),
    "multiplication_mul": ("`*`", lambda _, left, right: values.multiplied(left, right)),
    "multiplication_div": ("`/`", lambda _, left, right: values.divided(left, right)),
    "multiplication_mod": ("`%`", lambda _, left, right: values.remainder(left, right)),
    "relation_lt": ("`<`", lambda budget, left, right: values.compared(left, right, budget) < 0),
    "relation_le": ("`<=`", lambda budget, left, right: values.compared(left, right, budget) <= 0),
    "relation_gt": ("`>`", lambda budget, left, right: values.compared(left, right, budget) > 0),
    "relation_ge": ("`>=`", lambda budget, left, right: values.compared(left, right, budget) >= 0),
    "relation_eq": ("`==`", lambda budget, left, right: values.same(left, right, budget)),
    "relation_ne": ("`!=`", lambda budget, left, right: not values.same(left, right, budget)),
    "relation_in": ("`in`", lambda budget, left, right: values.contains(left, right, budget)),
    "unary_neg": ("`-`", lambda _, value: values.subtracted(0, value)),
}


def _operator(node: Node, parts: list[Run]) -> Run:
    if node.kind == "unary_not":
        column, part = node.column, parts[0]
        return lambda scope, budget: not _truth(part(scope, budget), column)
    word, function = _OPERATORS[node.kind]
    return _guarded(word, function, parts, node.column)


def _guarded(word: str, function: Callable[..., Any], parts: list[Run], column: int) -> Run:
    """A function of values, with what it raises told as an ExpressionError."""

    def run(scope: Scope, budget: Budget) -> Any:
        budget.spend(1)
        given = [part(scope, budget) for part in parts]
        try:
            return function(budget, *given)
        except ZeroDivisionError:
            wrong = f"{word}: a division by zero."
        except OverflowError:
            wrong = f"{word} gives more than there is room for: 64 bits of an integer, a finite double, a whole text."
        except TypeError:
            wrong = f"{word} does not take {' and '.join(kind_of(one) for one in given)}."
        except ValueError as error:
            wrong = f"{word}: {error}."
        raise ExpressionError(wrong, column=column)

    return run


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "…")
