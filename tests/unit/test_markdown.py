"""Texts of others as Markdown, read by a parser of CommonMark."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from aragora.markdown import inline, quoted

PARSER = MarkdownIt("commonmark").enable("table")
PIECES = st.sampled_from(
    [" ", "    ", "\t", "\n", "a", "*", "_", "`", "```", "#", "-", "---", "===", "+", "1.", "2)", "|", "~~~", "\\", "!", "[x](y)",
     "[x]: y", "<b>", "<!--", "&amp;", "http://x.y", "<http://x.y>", ">", "\x0b", "\u2028", "\u00a0"],
)  # fmt: skip


def kinds(markdown: str) -> set[str]:
    return {token.type for block in PARSER.parse(markdown) for token in (block, *(block.children or ()))}


PLAIN = {"blockquote_open", "blockquote_close", "paragraph_open", "paragraph_close", "inline", "text", "softbreak"}


@example("a\n\n    b")
@given(st.lists(PIECES).map("".join))
def test_no_text_becomes_more_than_paragraphs(text: str) -> None:
    assert kinds("\n".join(quoted(text))) <= PLAIN | {"text_special"}
    assert kinds(inline(text)) <= PLAIN | {"text_special"}


@pytest.mark.parametrize("text", ["    a_b", "\ta_b", "  \ta_b", "words\n\n      a_b"])
def test_a_line_that_begins_with_space_keeps_it_and_is_no_code(text: str) -> None:
    *_, line = quoted(text)
    assert line.startswith("> \u00a0\u00a0\u00a0\u00a0")
    assert "<code>" not in PARSER.render("\n".join(quoted(text)))


def test_a_bare_address_is_left_as_it_is() -> None:
    assert inline("see https://example.com/a") == "see https://example.com/a"
