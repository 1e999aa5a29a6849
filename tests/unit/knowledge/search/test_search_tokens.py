from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from aragora.errors import InvalidInput, TooLarge
from aragora.knowledge.search.tokens import (
    DOCUMENT_MAX_CHARS,
    QUERY_MAX_TOKENS,
    document_tokens,
    fts5_query,
    is_unspaced,
    query_tokens,
    tsquery,
    word_of,
)

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=80)
POSTGRES_MAX_BYTES = 1_048_575  # of the lexemes and positions of one tsvector
POSTGRES_POSITION_BYTES = 4
ODD = ["a-b", "don't", "@x", "GB/s", "20.04", "x NEAR(", "a AND", "b*", "c\x00d", "title:x", "^e", "{f}", "g + h", "OR"]


def found(document: str, query: str) -> bool:
    return bool(set(query_tokens(query)) & set(document_tokens(document).split()))


@pytest.fixture(scope="module")
def fts5() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE VIRTUAL TABLE texts USING fts5(tokens, tokenize='unicode61')")
    connection.execute("CREATE VIRTUAL TABLE terms USING fts5vocab(texts, 'instance')")
    yield connection
    connection.close()


def test_a_token_tells_the_word_that_it_stands_for() -> None:
    assert [word_of(token) for token in query_tokens("Retry_budget Größe 微服")] == [
        "retry", "budget", "retry_budget", "grösse", "微服",
    ]  # fmt: skip
    assert [word_of(token) for token in query_tokens("ä" * 300)] == [""]
    assert is_unspaced("微服")
    assert not any(map(is_unspaced, ("", "ab", "微a")))
    for posing in ("zx80", "zx1b5b41", "zx00"):  # no text has them: they are no UTF-8, or show nothing
        assert [word_of(token) for token in query_tokens(posing)] == [posing]


@given(ANY_TEXT)
def test_tokens_of_tokens_are_the_same_tokens(text: str) -> None:
    tokens = document_tokens(text)
    assert document_tokens(tokens) == tokens


@given(ANY_TEXT)
@example("5e647e3b5 1e5 12E34")
@example("\u0660e\u0661e\u0662")
def test_a_token_is_a_word_of_ascii_or_a_number(text: str) -> None:
    assert re.fullmatch(r"(?:(?:[a-z][a-z0-9]*|[0-9]+)(?: |$))*", document_tokens(text))


@given(ANY_TEXT)
def test_a_text_is_found_by_itself_whenever_it_has_a_token(text: str) -> None:
    assert found(text, text) == bool(document_tokens(text))


@given(ANY_TEXT)
def test_fts5_keeps_the_tokens_of_any_text_and_finds_it_by_them(fts5: sqlite3.Connection, text: str) -> None:
    tokens = document_tokens(text)
    assume(tokens)
    with fts5:
        fts5.execute("DELETE FROM texts")
        fts5.execute("INSERT INTO texts(tokens) VALUES (?)", (tokens,))
    kept = fts5.execute('SELECT term FROM terms ORDER BY "offset"').fetchall()
    assert " ".join(term for (term,) in kept) == tokens
    asked = fts5_query(query_tokens(text))
    assert fts5.execute("SELECT count(*) FROM texts WHERE texts MATCH ?", (asked,)).fetchone() == (1,)


@pytest.mark.parametrize("text", ODD)
def test_no_input_is_syntax_and_none_finds_nothing_in_silence(fts5: sqlite3.Connection, text: str) -> None:
    with fts5:
        fts5.execute("DELETE FROM texts")
        fts5.execute("INSERT INTO texts(tokens) VALUES (?)", (document_tokens(f"before {text} after"),))
    asked = fts5_query(query_tokens(text))
    assert fts5.execute("SELECT count(*) FROM texts WHERE texts MATCH ?", (asked,)).fetchone() == (1,)


@pytest.mark.parametrize("text", ["", " \n", '"', "*", "-", "()", "\x00", "\u200b", "\ud800", "\u3002"])
def test_a_query_without_a_word_is_refused_and_not_taken_for_one_that_found_nothing(text: str) -> None:
    assert query_tokens(text) == ()
    for query in (fts5_query, tsquery):
        with pytest.raises(InvalidInput, match="neither a word nor a symbol") as refused:
            query(query_tokens(text))
        assert refused.value.code == "nothing_to_look_for"


@pytest.mark.parametrize("token", ['"', "a b", "", "a'", "A", "\u00e9", "x\n"])
def test_what_is_no_token_never_reaches_a_query(token: str) -> None:
    for query in (fts5_query, tsquery):
        with pytest.raises(ValueError, match="no token"):
            query((token,))


@pytest.mark.parametrize(
    "identifier",
    [
        "retry_budget",
        "GB/s",
        "20.04",
        "a-b",
        "don't",
        "@x",
        "c++",
        "C#",
        "__init__",
        "std::vector",
        "1,000",
        "#12",
        "95%",
    ],
)
def test_an_identifier_is_one_token_beside_its_parts(identifier: str) -> None:
    whole = document_tokens(f"see ({identifier}), then").split()[-2]
    assert whole.startswith("zx")
    assert bytes.fromhex(whole[2:]).decode() == identifier.lower()
    assert whole in query_tokens(identifier)


def test_an_identifier_is_found_by_its_parts() -> None:
    assert found("raise the retry_budget to 20.04 GB/s", "budget")
    assert found("the retry budget", "retry_budget")


def test_punctuation_around_a_word_is_no_part_of_it() -> None:
    assert document_tokens('"Retry," (budget). [now]! so:') == "retry budget now so"


@pytest.mark.parametrize(
    ("document", "query"),
    [
        ("\u91cd\u8bd5\u9884\u7b97\u7684\u503c", "\u9884\u7b97"),
        ("\u8a2d\u5b9a\u5024\u306f\u4e8c\u5341", "\u8a2d\u5b9a"),
        ("\u30c7\u30fc\u30bf\u30d9\u30fc\u30b9", "\u30d9\u30fc"),
        ("\uc7ac\uc2dc\ub3c4\uc608\uc0b0", "\uc608\uc0b0"),
        ("\u0e07\u0e1a\u0e1b\u0e23\u0e30\u0e21\u0e32\u0e13\u0e01\u0e32\u0e23", "\u0e1b\u0e23\u0e30\u0e21\u0e32\u0e13"),
        ("\u1798\u1793\u17bb\u179f\u17d2\u179f", "\u1798\u1793\u17bb"),
        ("\u91cd\u8bd5retry_budget\u7684\u503c", "retry_budget"),
        ("\u732b\u304c\u597d\u304d", "\u732b"),
        ("\u7b2c3\u7ae0", "3"),
    ],
)
def test_a_few_characters_of_a_script_without_spaces_are_found(document: str, query: str) -> None:
    assert found(document, query)


def test_pairs_of_characters_do_not_match_a_text_that_has_each_of_them_elsewhere() -> None:
    assert not found("\u9884\u91cd\u7b97", "\u9884\u7b97")


def test_vowel_signs_do_not_cut_a_word() -> None:
    assert len(document_tokens("\u0939\u093f\u0928\u094d\u0926\u0940 \u0bae\u0bca\u0bb4\u0bbf").split()) == 2


def test_symbols_are_found() -> None:
    assert found("ship it \U0001f680 for 5\u20ac", "\U0001f680")
    assert found("ship it \U0001f680 for 5\u20ac", "\u20ac")


def test_a_word_that_poses_as_a_written_one_takes_nothing_from_the_others() -> None:
    assert document_tokens("zxe9 zxe zy") == "zxe9 zxe zy"


@pytest.mark.parametrize("word", ["a" * 10_000, "\u00e9" * 10_000, "9" * 10_000, "1a" * 5_000, "a-" * 9_000 + "a"])
def test_a_very_long_word_is_found_by_itself_alone(word: str) -> None:
    token = document_tokens(word).split()[-1]
    assert len(token) == 34
    assert found(word, word)
    assert token not in query_tokens(word + "b")


@pytest.mark.parametrize("text", ["a" * (DOCUMENT_MAX_CHARS + 1), "\ufdfa" * 2_000])
def test_a_text_above_the_limit_is_refused_and_not_cut(text: str) -> None:
    with pytest.raises(TooLarge, match="20,000 characters"):
        document_tokens(text)


@pytest.mark.parametrize("query", ["a " * 100_000, "a" * 100_000, "".join(map(chr, range(0x4E00, 0x9000)))])
def test_a_query_of_any_length_has_tokens_up_to_the_limit(query: str) -> None:
    assert 1 <= len(query_tokens(query)) <= QUERY_MAX_TOKENS


def test_the_worst_text_of_the_allowed_length_fits_into_postgresql() -> None:
    worst = "".join(map(chr, range(0x20000, 0x20000 + DOCUMENT_MAX_CHARS)))
    distinct = set(document_tokens(worst).split())
    assert sum(len(token) + POSTGRES_POSITION_BYTES for token in distinct) < POSTGRES_MAX_BYTES


def test_halves_of_characters_do_no_harm() -> None:
    assert document_tokens("a\ud800b \ud83d\ude00") == document_tokens("a b \U0001f600")
