"""When two statements are one, and the id that follows from that. Pure.

Statements that give a value to the same subject and relation are one where the values are, whatever the words around
them; others where their whole texts are: equal in all but case, width and spaces. A number, a negation, a name or a
date that differs makes another statement, however alike the two read.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final
from unicodedata import normalize

from aragora.encoding import encode
from aragora.knowledge.model import Home, Statement

ITEM_ID: Final = re.compile("kn_[0-9a-f]{32}")
"""What an item is called."""


def sameness(statement: Statement) -> str:
    """Equal for statements that are one, in hex."""
    told = (
        statement.kind,
        "" if statement.subject and statement.value else folded(statement.content),
        statement.subject,
        statement.relation,
        folded(statement.value),
        statement.valid_from,
        statement.valid_to,
    )
    return sha256(encode(told)).hexdigest()


def item_id_of(home: Home, statement: Statement) -> str:
    """The id of a statement's item in a workspace: whoever makes it of whatever source, it is the same one."""
    named = "\0".join((home.org_id, home.workspace, sameness(statement)))
    return f"kn_{sha256(named.encode()).hexdigest()[:32]}"


def next_id(item_id: str) -> str:
    """Another id, where that one belongs to an item that says something else by now."""
    return f"kn_{sha256(item_id.encode()).hexdigest()[:32]}"


def folded(text: str) -> str:
    """`text` without differences of case, width, composition and spaces."""
    return " ".join(normalize("NFKC", normalize("NFKC", text).casefold()).split())
