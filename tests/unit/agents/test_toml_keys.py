"""A key of very many parts is found before TOML is read, and dots in texts, comments and numbers are no parts."""

from __future__ import annotations

import time

import pytest

from aragora.agents.toml_keys import PARTS_MAX, line_of_too_long_key
from aragora.limits import AGENTS_FILE_MAX_BYTES

LONG = ".".join(["a"] * (PARTS_MAX + 1))


@pytest.mark.parametrize(
    ("source", "line"),
    [
        (f"{LONG} = 1", 1),
        (f"\n[{LONG}]", 2),
        (f"\n[[ {LONG} ]]", 2),
        (f"x = {{ y = 1, {LONG} = 1 }}", 1),
        ("'b' . " * PARTS_MAX + '"c" = 1', 1),
        ("x = '''\n'''\n'.' . " + LONG, 3),
        ('x = """\\"""\n"""\n' + LONG, 3),
        ("x = '\\'\n" + LONG, 2),
        ("x = 'it''s'\n" + LONG, 2),
        ("# it's\n" + LONG, 2),
        ("a = " + "[" * 9 + "\n" + LONG, 2),
    ],
)
def test_the_line_of_the_first_key_with_too_many_parts_is_found(source: str, line: int) -> None:
    assert line_of_too_long_key(source) == line


@pytest.mark.parametrize(
    "source",
    [
        "",
        ".".join(["a"] * PARTS_MAX) + " = 1",
        f"x = '{LONG}'",
        f'x = "\\"{LONG}"',
        f'x = """\n{LONG} "" \\""" {LONG}\n"""',
        f'x = """{LONG}"""""',
        f"x = '''\n{LONG} '' \" # {LONG}\n'''",
        f"x = 1 # {LONG}",
        f"'{LONG}' = 1",
        "x = [" + "1.5, " * 100 + "]",
    ],
)
def test_dots_that_part_no_key_are_let_through(source: str) -> None:
    assert line_of_too_long_key(source) is None


@pytest.mark.parametrize(
    "piece", ['"', "'", '"""', '\\"""', '""\\"', "\\", '"\\', "#", ".", "a", "a.", "[", "''' ", '"\n']
)
def test_the_check_takes_time_by_the_length_of_the_text_alone(piece: str) -> None:
    began = time.process_time()
    line_of_too_long_key("x = " + piece * (AGENTS_FILE_MAX_BYTES // len(piece)))
    assert time.process_time() - began < 1
