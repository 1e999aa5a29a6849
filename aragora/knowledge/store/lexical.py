"""What full-text search reads and how it is asked: FTS5 in SQLite, a `tsvector` in PostgreSQL.

Both hold tokens of our one tokenizer (`aragora.knowledge.search.tokens`), so both find the same, and no question is
syntax to them. Each row also holds the scopes in which it may be found, so a search is cut to its scope before it is
cut to its best: k matching items come back wherever there are k.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import (
    ColumnClause,
    ColumnElement,
    Double,
    Select,
    TextClause,
    bindparam,
    column,
    delete,
    func,
    literal_column,
    select,
    table,
    text,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from aragora.knowledge.model import Visibility
from aragora.knowledge.search.tokens import fts5_query, tsquery
from aragora.knowledge.store.tables import knowledge_items
from aragora.storage.database import Database

_ROWID: Final = table("knowledge_tokens", column("rowid"), column("tokens"))
_ITEM_NO: Final = table("knowledge_tokens", column("item_no"), column("tokens"))
_SIMPLE: Final[ColumnElement[Any]] = literal_column("'simple'")
_BY_LENGTH: Final[ColumnElement[Any]] = literal_column("1")  # of ts_rank_cd: a long text is not better for that


@dataclass(frozen=True, slots=True)
class Tokens:
    """The row of one item: its number, the scopes that find it, and its text as the tokenizer gives it."""

    item_no: int
    scopes: tuple[str, ...]
    text: str


def workspace_scope(org_id: str, workspace: str) -> str:
    """The token of a workspace's items."""
    return f"w{_short(org_id, workspace)}"


def shared_scope(org_id: str) -> str:
    """The token of the items that the whole organisation may find."""
    return f"o{_short(org_id)}"


def scopes_of(org_id: str, workspace: str, visibility: Visibility) -> tuple[str, ...]:
    """Where an item may be found."""
    own = workspace_scope(org_id, workspace)
    return (own, shared_scope(org_id)) if visibility is Visibility.ORG else (own,)


def told_scope(org_id: str, workspace: str | None, domain: str) -> str:
    """The token of what a workspace is told about a domain by others than its debates; without a workspace, of what the
    whole organisation is told."""
    return f"t{_short(org_id, domain) if workspace is None else _short(org_id, workspace, domain)}"


def of_summaries(scopes: Collection[str]) -> tuple[str, ...]:
    """The tokens of the summaries in these scopes, which a search of them alone need not tell from all other items."""
    return tuple(f"s{scope}" for scope in scopes)


def found_in(org_id: str, workspaces: Collection[str]) -> tuple[str, ...]:
    """The tokens of what somebody who may use these workspaces finds; none where it may use none."""
    if not workspaces:
        return ()
    return (shared_scope(org_id), *(workspace_scope(org_id, name) for name in workspaces))


async def put_tokens(database: Database, connection: AsyncConnection, rows: Sequence[Tokens]) -> None:
    """Add the rows of these items, which have none."""
    if not rows:
        return
    values = [{"item_no": row.item_no, "scope": " ".join(row.scopes), "tokens": row.text} for row in rows]
    await connection.execute(_PUT_SQLITE if database.is_sqlite else _PUT_POSTGRES, values)


async def drop_tokens(database: Database, connection: AsyncConnection, item_nos: Collection[int]) -> None:
    """Remove the rows of these items."""
    if not item_nos:
        return
    if database.is_sqlite:
        gone = delete(_ROWID).where(_ROWID.c.rowid == bindparam("gone"))
    else:
        gone = delete(_ITEM_NO).where(_ITEM_NO.c.item_no == bindparam("gone"))
    await connection.execute(gone, [{"gone": item_no} for item_no in item_nos])


def matching(
    database: Database, scopes: Collection[str], tokens: Sequence[str], limit: int, *, each: bool = False
) -> Select[tuple[int, float]]:
    """The query for (item_no, rank) of the best `limit` items that hold any of `tokens` in any of `scopes`, or with
    `each` all of them: the higher the rank, the better. The caller narrows it by the columns of `knowledge_items`;
    without scopes that alone keeps out what is of others, which is quicker for words that are rare. At least one
    token."""
    if database.is_sqlite:
        question = _fts5(scopes, _each_fts5(tokens) if each else fts5_query(tokens))
        # bm25 is the smaller the better; the scope says nothing about how well an item fits.
        rank = literal_column("-bm25(knowledge_tokens, 0.0, 1.0)", Double).label("rank")
        return (
            select(knowledge_items.c.item_no, rank)
            .join_from(_ROWID, knowledge_items, _ROWID.c.rowid == knowledge_items.c.item_no)
            .where(text("knowledge_tokens MATCH :question").bindparams(question=question))
            .order_by(literal_column("rank").desc(), knowledge_items.c.item_no)
            .limit(limit)
        )
    fits = func.to_tsquery(_SIMPLE, _each_ts(tokens) if each else tsquery(tokens))
    held: ColumnClause[Any] = _ITEM_NO.c.tokens
    rank = func.ts_rank_cd(held, fits, _BY_LENGTH, type_=Double()).label("rank")
    return (
        select(knowledge_items.c.item_no, rank)
        .join_from(_ITEM_NO, knowledge_items, _ITEM_NO.c.item_no == knowledge_items.c.item_no)
        .where(held.bool_op("@@")(_ts(scopes, fits)))
        .order_by(literal_column("rank").desc(), knowledge_items.c.item_no)
        .limit(limit)
    )


def tokens_beside(database: Database, query: Select[Any]) -> Select[Any]:
    """The query, of `knowledge_items`, with the tokens of each item as a last column, which `tokens_in` reads."""
    if database.is_sqlite:
        return query.add_columns(_ROWID.c.tokens).join(_ROWID, _ROWID.c.rowid == knowledge_items.c.item_no)
    lexemes = func.tsvector_to_array(_ITEM_NO.c.tokens).label("tokens")
    return query.add_columns(lexemes).join(_ITEM_NO, _ITEM_NO.c.item_no == knowledge_items.c.item_no)


def tokens_in(held: str | Sequence[str], scopes: Collection[str]) -> frozenset[str]:
    """What `tokens_beside` gave: the tokens of the text, without `scopes`, which PostgreSQL holds among them."""
    return frozenset(held.split()) if isinstance(held, str) else frozenset(held).difference(scopes)


def standing_in(database: Database, scopes: Collection[str]) -> Select[int]:
    """The query for the numbers of all items in any of these scopes, whatever they say. At least one scope."""
    if database.is_sqlite:
        held = text("knowledge_tokens MATCH :scopes").bindparams(
            scopes=f"scope : ({fts5_query(tuple(sorted(scopes)))})"
        )
        return select(_ROWID.c.rowid).select_from(_ROWID).where(held)
    here = func.to_tsquery(_SIMPLE, tsquery(tuple(sorted(scopes))))
    return select(_ITEM_NO.c.item_no).where(_ITEM_NO.c.tokens.bool_op("@@")(here))


def counting(database: Database, item_nos: Collection[int]) -> Select[int]:
    """The query for how many of these items have a row."""
    held = _ROWID.c.rowid if database.is_sqlite else _ITEM_NO.c.item_no
    return select(func.count()).where(held.in_(item_nos))


def containing(
    database: Database, scopes: Collection[str], tokens: Sequence[str], *, named: str = "question"
) -> Select[int]:
    """The query for the numbers of all items that hold each of `tokens` in any of these scopes, without scopes in any
    at all; `named`: the parameter that SQLite is asked by. At least one token."""
    if database.is_sqlite:
        held = text(f"knowledge_tokens MATCH :{named}").bindparams(**{named: _fts5(scopes, _each_fts5(tokens))})
        return select(_ROWID.c.rowid).select_from(_ROWID).where(held)
    fits = func.to_tsquery(_SIMPLE, _each_ts(tokens))
    return select(_ITEM_NO.c.item_no).where(_ITEM_NO.c.tokens.bool_op("@@")(_ts(scopes, fits)))


_PUT_SQLITE: Final[TextClause] = text(
    "INSERT INTO knowledge_tokens (rowid, scope, tokens) VALUES (:item_no, :scope, :tokens)"
)
_PUT_POSTGRES: Final[TextClause] = text(
    "INSERT INTO knowledge_tokens (item_no, tokens) "
    "VALUES (:item_no, to_tsvector('simple', :scope) || to_tsvector('simple', :tokens))"
)


def _fts5(scopes: Collection[str], words: str) -> str:
    return f"scope : ({fts5_query(tuple(sorted(scopes)))}) AND tokens : ({words})" if scopes else f"tokens : ({words})"


def _ts(scopes: Collection[str], fits: ColumnElement[Any]) -> ColumnElement[Any]:
    if not scopes:
        return fits
    return func.to_tsquery(_SIMPLE, tsquery(tuple(sorted(scopes)))).bool_op("&&")(fits)


def _each_fts5(tokens: Sequence[str]) -> str:
    return " AND ".join(fts5_query((token,)) for token in tokens)


def _each_ts(tokens: Sequence[str]) -> str:
    return " & ".join(tsquery((token,)) for token in tokens)


def _short(*names: str) -> str:
    """A token that no other names make: of letters and digits, so that every tokenizer leaves it whole."""
    return sha256("\0".join(names).encode()).hexdigest()[:32]
