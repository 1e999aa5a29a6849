"""Which of a server's models can debate, by their names: a server lists those that embed, rerank, hear, speak or draw
among the others, and often first. Pure.

A name is all that /v1/models tells of a model, so this is a guess. It errs towards `can_chat`: a model that cannot is
found out at its first answer, and one that was passed over would be missed. Who names a model is never asked here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_PARTS: Final = ("embed", "rerank", "whisper", "moderation", "minilm")
"""What stands in such a name wherever it is: nomic-embed-text, qwen3-embedding, bge-reranker-v2-m3."""

_WORDS: Final = frozenset(
    {
        *("bge", "e5", "gte", "mpnet", "paraphrase", "labse", "bert", "roberta", "deberta", "modernbert", "colbert"),
        *("clip", "siglip"),  # compare pictures and texts
        *("tts", "stt", "asr", "speech", "transcribe", "kokoro", "parakeet", "piper", "bark"),  # speak and hear
        *("image", "diffusion", "sdxl", "dall", "flux"),  # draw
        *("guard", "guardian", "shieldgemma"),  # judge whether a text is safe, and say nothing else
        "ocr",
    }
)
"""What is a word of such a name, digits at its end left out: multilingual-e5-large, llama-guard3, deepseek-ocr."""

_BETWEEN_WORDS: Final = re.compile(r"[^a-z0-9]+")


def can_chat(name: str) -> bool:
    """Whether a model of this name can answer a question, as far as the name says."""
    lower = name.lower()
    if any(part in lower for part in _PARTS):
        return False
    words = _BETWEEN_WORDS.split(lower)
    return not any(word in _WORDS or word.rstrip("0123456789") in _WORDS for word in words)


def first_chat_model(names: Iterable[str]) -> str | None:
    """The first model that can answer; None where none of them can."""
    return next((name for name in names if name and can_chat(name)), None)
