"""How many tokens the prompt of a model may have: as its provider published it (`contexts.toml`), or as a server says
that refuses a longer one."""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

from aragora import limits
from aragora.agents.pricing import listed_name, maker_of
from aragora.config.providers import FALLBACK

_NOTHING: Final[dict[str, int]] = {}
_LEAST_CONTEXT: Final = 256
_MAX_READ_CHARS: Final = 4_000
_NUMBER: Final = r"\(?(\d[\d,._]{2,11})\b"
_LIMITS: Final = tuple(
    re.compile(f"(?i){words}")
    for words in (
        rf"max(?:imum)? (?:context |prompt |input |model |sequence )*(?:length|size|window)(?: is| of|:|=)*\s*{_NUMBER}",
        rf"\d\s*(?:tokens?)?\s*>\s*{_NUMBER}",
        rf"context (?:length|size|window)(?: of| is|:|=)*(?: only| at most)?\s*{_NUMBER}",
        rf"{_NUMBER}[ -](?:tokens? )?(?:maximum )?context (?:length|size|window)",
        rf"(?:tokens allowed|token limit|limit)(?: is| of|:|=)*\s*{_NUMBER}",
        rf"must be <=?\s*{_NUMBER}",
        rf"\b(?:n_ctx|num_ctx|max_(?:model|seq|kv)_(?:len|size))\W{{1,4}}{_NUMBER}",
    )
)


def context_tokens_of(provider: str, model: str) -> int | None:
    """The longest prompt that a model takes; None where that is not known."""
    if provider == FALLBACK:
        return None if (made := maker_of(model)) is None else context_tokens_of(*made)
    table = _document().get(provider, _NOTHING)
    name = listed_name(table, model)
    return None if name is None else int(table[name])


def context_tokens_told(words: str) -> int | None:
    """How many tokens a model takes, out of the words in which its provider refuses a longer prompt; None where they do
    not say. Of several numbers it is the one that is named as the limit, not what was sent."""
    line = " ".join(words[:_MAX_READ_CHARS].split())
    for pattern in _LIMITS:
        if found := pattern.search(line):
            tokens = int(re.sub(r"\D", "", found[1]))
            return tokens if _LEAST_CONTEXT <= tokens <= limits.CALL_MAX_TOKENS else None
    return None


@lru_cache(maxsize=1)
def _document() -> dict[str, Any]:
    return tomllib.loads(files("aragora.agents").joinpath("contexts.toml").read_text(encoding="utf-8"))
