"""SQLite's FTS5 and PostgreSQL keep the tokens as they are, and find the same texts by them."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Sequence

import asyncpg
import pytest
from hypothesis import find, settings
from hypothesis import strategies as st

from aragora.knowledge.search.tokens import document_tokens, fts5_query, query_tokens, tsquery

pytestmark = pytest.mark.slow

SENTENCES = {
    "Latin": "The retry_budget of the gateway is 20.04 GB/s, don't raise it to 5e647e3b5 or C++",
    "Latin with marks": "Le budget des nouvelles tentatives d\u00e9passe la limite fix\u00e9e \u00e0 l'\u00e9t\u00e9, Stra\u00dfe und \u0130stanbul",
    "Greek": "\u039f \u03c0\u03c1\u03bf\u03cb\u03c0\u03bf\u03bb\u03bf\u03b3\u03b9\u03c3\u03bc\u03cc\u03c2 \u03c4\u03c9\u03bd \u03b5\u03c0\u03b1\u03bd\u03b1\u03bb\u03ae\u03c8\u03b5\u03c9\u03bd \u03b5\u03af\u03bd\u03b1\u03b9 20",
    "Cyrillic": "\u0411\u044e\u0434\u0436\u0435\u0442 \u043f\u043e\u0432\u0442\u043e\u0440\u043e\u0432 \u0448\u043b\u044e\u0437\u0430 \u0440\u0430\u0432\u0435\u043d \u0434\u0432\u0430\u0434\u0446\u0430\u0442\u0438 \u0413\u0411/\u0441",
    "Arabic": "\u0645\u064a\u0632\u0627\u0646\u064a\u0629 \u0625\u0639\u0627\u062f\u0629 \u0627\u0644\u0645\u062d\u0627\u0648\u0644\u0629 \u0644\u0644\u0628\u0648\u0627\u0628\u0629 \u0647\u064a \u0662\u0660",
    "Hebrew": "\u05ea\u05e7\u05e6\u05d9\u05d1 \u05d4\u05e0\u05d9\u05e1\u05d9\u05d5\u05e0\u05d5\u05ea \u05d4\u05d7\u05d5\u05d6\u05e8\u05d9\u05dd \u05e9\u05dc \u05d4\u05e9\u05e2\u05e8",
    "Devanagari": "\u092a\u0941\u0928\u0903 \u092a\u094d\u0930\u092f\u093e\u0938 \u0915\u093e \u092c\u091c\u091f \u092c\u0940\u0938 \u0939\u0948",
    "Chinese": "\u7f51\u5173\u7684retry_budget\u91cd\u8bd5\u9884\u7b97\u662f\u4e8c\u5341",
    "Japanese": "\u30b2\u30fc\u30c8\u30a6\u30a7\u30a4\u306e\u518d\u8a66\u884c\u4e88\u7b97\u306f\u4e8c\u5341\u3067\u3059",
    "Korean": "\uac8c\uc774\ud2b8\uc6e8\uc774\uc758 \uc7ac\uc2dc\ub3c4 \uc608\uc0b0\uc740 \uc774\uc2ed\uc774\ub2e4",
    "Thai": "\u0e07\u0e1a\u0e1b\u0e23\u0e30\u0e21\u0e32\u0e13\u0e01\u0e32\u0e23\u0e25\u0e2d\u0e07\u0e43\u0e2b\u0e21\u0e48\u0e02\u0e2d\u0e07\u0e40\u0e01\u0e15\u0e40\u0e27\u0e22\u0e4c",
    "symbols": "ship it \U0001f680 for 5 \u20ac \u2265 4",
}
QUERIES = 500
LETTERS = "abexz0159"  # those of numbers with exponents, hex digits and what the tokenizer writes


def texts() -> list[str]:
    """The sentences, and texts of random words of all of them, so that every query has hits and misses."""
    chance = random.Random(14)
    words = [word for sentence in SENTENCES.values() for word in sentence.split()]
    odd = ["".join(chance.choices(LETTERS, k=chance.randint(1, 12))) for _ in range(200)]
    return [*SENTENCES.values(), *(" ".join(chance.sample(words + odd, 12)) for _ in range(300))]


def queries() -> list[str]:
    """Pieces of the sentences of any length, cut anywhere, some in capitals."""
    chance = random.Random(41)
    cut = []
    while len(cut) < QUERIES:
        sentence = chance.choice(list(SENTENCES.values()))
        start = chance.randrange(len(sentence))
        piece = sentence[start : start + chance.randint(1, 12)]
        if query_tokens(piece):
            cut.append(chance.choice((piece, piece.upper())))
    return cut


class Sqlite:
    def __init__(self, documents: Sequence[str]) -> None:
        self._connection = sqlite3.connect(":memory:")
        self._connection.execute("CREATE VIRTUAL TABLE texts USING fts5(tokens, tokenize='unicode61')")
        self._connection.executemany(
            "INSERT INTO texts(rowid, tokens) VALUES (?, ?)", enumerate(map(document_tokens, documents))
        )

    def hits(self, query: str) -> set[int]:
        asked = fts5_query(query_tokens(query))
        return {row for (row,) in self._connection.execute("SELECT rowid FROM texts WHERE texts MATCH ?", (asked,))}


async def test_both_databases_have_the_same_hits_for_queries_in_ten_scripts(postgres_url: str) -> None:
    documents = texts()
    sqlite = Sqlite(documents)
    connection = await asyncpg.connect(postgres_url)
    try:
        await connection.execute("CREATE TEMP TABLE texts (id int, tokens tsvector)")
        await connection.executemany(
            "INSERT INTO texts VALUES ($1, to_tsvector('simple', $2))",
            list(enumerate(map(document_tokens, documents))),
        )
        for query in queries():
            asked = tsquery(query_tokens(query))
            for form in ("to_tsquery('simple', $1)", "CAST($1::text AS tsquery)"):
                rows = await connection.fetch(f"SELECT id FROM texts WHERE tokens @@ {form}", asked)
                assert {row["id"] for row in rows} == sqlite.hits(query), query
    finally:
        await connection.close()


async def test_postgresql_keeps_the_tokens_of_any_text(postgres_url: str) -> None:
    """Its parser must see each as one word or number: it has its own ideas of versions, hosts, paths and exponents."""
    chance = random.Random(7)
    drawn: list[str] = []
    find(
        st.lists(st.text(st.characters(exclude_categories=()), max_size=60), min_size=200, max_size=200),
        lambda found: drawn.extend(found) or len(drawn) > 2_000,
        settings=settings(max_examples=100, database=None),
    )
    drawn += ["".join(chance.choices(LETTERS + ".-_/@:", k=40)) for _ in range(2_000)]
    drawn += ["a" * 256, "9" * 256, "a" * 257, "\u00e9" * 128, "\u00e9" * 129, "1a" * 128]
    connection = await asyncpg.connect(postgres_url)
    try:
        for text in drawn:
            tokens = document_tokens(text)
            kept = await connection.fetch("SELECT token FROM ts_parse('default', $1) WHERE tokid <> 12", tokens)
            assert " ".join(row["token"] for row in kept) == tokens, text
            lexemes = await connection.fetchval("SELECT tsvector_to_array(to_tsvector('simple', $1))", tokens)
            assert set(lexemes) == set(tokens.split()), text
    finally:
        await connection.close()


async def test_the_worst_text_of_the_allowed_length_fits_into_postgresql(postgres_url: str) -> None:
    worst = "".join(map(chr, range(0x20000, 0x20000 + 20_000)))
    connection = await asyncpg.connect(postgres_url)
    try:
        tokens = document_tokens(worst)
        assert await connection.fetchval("SELECT length(to_tsvector('simple', $1))", tokens) == len(set(tokens.split()))
    finally:
        await connection.close()
