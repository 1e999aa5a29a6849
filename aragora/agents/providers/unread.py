"""Whether a server has read less of a prompt than it was sent, by its own count of tokens.

Ollama cuts a prompt that is longer than its `num_ctx` without a word (4,096 tokens, if nobody changed it), and proxies
that "compress" do alike. The answer then is to a question that the model may not have seen.

Rules
- A prompt is suspicious where it has more than `_CHARS_PER_TOKEN` characters for each token that was counted. English
  has 4 to 5.5 of them, code 3 to 5, other alphabets 2 to 5, Chinese, Japanese and Korean at most 2.5: no tokenizer
  reaches 7 with what people write. So a cut that leaves more than about two thirds of a prompt is not noticed.
- Runs of one character (indentation, rules of dashes) and of blanks are one token for many; they are counted as short.
- Prompts of fewer than `_LEAST_CHARS` characters are never suspicious, and neither are counts under `_LEAST_TOKENS`:
  no server has so small a context, so such a count is wrong and not the prompt short.
"""

from __future__ import annotations

import re
from typing import Final

from aragora.agents.model import ModelCall

_CHARS_PER_TOKEN: Final = 7
_USUAL_CHARS_PER_TOKEN: Final = 4
_LEAST_CHARS: Final = 6_000
_LEAST_TOKENS: Final = 256
_RUNS: Final = re.compile(r"\s{2,}|(\S)\1{3,}")


def unread(provider: str, call: ModelCall, counted: int) -> str:
    """The remark on the prompt of a call of which the server `counted` so many tokens; empty where it was read."""
    texts = (call.system, *(turn.text for turn in call.turns))
    least = max(_LEAST_CHARS, _CHARS_PER_TOKEN * counted)
    if counted < _LEAST_TOKENS or sum(map(len, texts)) <= least:
        return ""  # nearly always
    chars = sum(len(_RUNS.sub(" ", text)) for text in texts)
    if chars <= least:
        return ""
    return (
        f"{provider} may have read only {counted:,} of about {chars // _USUAL_CHARS_PER_TOKEN:,} tokens of this prompt, and "
        "have cut the rest without saying so: give its server a larger context (Ollama: OLLAMA_CONTEXT_LENGTH), or set "
        "context_tokens in agents.toml to what it has"
    )
