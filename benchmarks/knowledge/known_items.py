"""Pairs of texts of which one must find the other: docstrings of Python's standard library, whose first sentence is the
question and whose rest is the answer. Real English, about 4,000 pairs, the same for one version of Python.

The sources are parsed and not imported: some modules of the library act when they are imported.
"""

from __future__ import annotations

import ast
import random
import re
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_SENTENCE: Final = re.compile(r"\s*(.+?[.:])\s", re.DOTALL)
_QUESTION_CHARS: Final = range(25, 200)
_ANSWER_MIN_CHARS: Final = 120
_ANSWER_MAX_CHARS: Final = 600
_NOT_THE_LIBRARY: Final = frozenset(
    {"test", "tests", "idlelib", "lib2to3", "site-packages", "dist-packages", "idle_test"}
)


@dataclass(frozen=True, slots=True)
class Pair:
    """`question` is answered by `answer`."""

    question: str
    answer: str


def pairs(count: int, seed: int = 14) -> list[Pair]:
    """`count` pairs, fewer where the library has fewer; the same for the same seed and version of Python."""
    found = {pair.question: pair for pair in _all(Path(sysconfig.get_path("stdlib")))}
    drawn = list({pair.answer: pair for pair in found.values()}.values())
    random.Random(seed).shuffle(drawn)
    return drawn[:count]


def _all(library: Path) -> Iterator[Pair]:
    for path in sorted(library.rglob("*.py")):
        if not _NOT_THE_LIBRARY.intersection(path.relative_to(library).parts):
            yield from _of(path)


def _of(path: Path) -> Iterator[Pair]:
    tree = ast.parse(path.read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node) or ""
            first = _SENTENCE.match(text)
            if first is None:
                continue
            question, answer = " ".join(first[1].split()), " ".join(text[first.end() :].split())
            if len(question) in _QUESTION_CHARS and len(answer) >= _ANSWER_MIN_CHARS and answer.isascii():
                yield Pair(question, answer[:_ANSWER_MAX_CHARS])
