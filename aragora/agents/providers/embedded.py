"""The embedded model as a provider: no key, no network; one generation at a time on the whole machine.

An answer is written in a thread of its own. The agents of one machine are processes that share two cores or few more,
and a model that fights another for them takes several times as long: so they take turns, by a lock file.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from aragora.agents.model import AgentSpec, CallRefused, Completion, ModelCall, ProviderFault
from aragora.agents.pricing import metered
from aragora.agents.providers.embedded_model import EmbeddedModel, EmbeddedModelError, Generated
from aragora.agents.providers.embedded_turn import Turn
from aragora.agents.providers.embedded_weights import locked, weights
from aragora.debate.model import AgentRequest


class EmbeddedProvider:
    """Loads the model when it is first asked. `directory` takes the weights where the user has no writable cache."""

    renders_itself = True

    def __init__(self, spec: AgentSpec, directory: Path) -> None:
        self.name = "embedded"
        self._model_name = spec.model
        self._persona = (spec.options or {}).get("persona", "analyst")
        self._directory = directory
        self._model: EmbeddedModel | None = None
        self._lock_file: Path | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="embedded-model")

    async def complete(self, call: ModelCall) -> Completion:
        request = call.request
        if request is None:
            raise CallRefused("the embedded model answers debate requests only")
        loop = asyncio.get_running_loop()
        try:
            made = await loop.run_in_executor(self._thread, self._answer, request, call)
        except (EmbeddedModelError, OSError, ValueError) as error:
            raise ProviderFault(f"the embedded model failed: {error}") from error
        usage = metered(self.name, self._model_name, made.input_tokens, made.output_tokens)
        return Completion(made.text, usage)

    async def aclose(self) -> None:
        """Give the memory back; an answer under way is finished first, in its thread."""
        self._thread.submit(self._forget)
        self._thread.shutdown(wait=False)

    def _forget(self) -> None:
        self._model = None

    def _answer(self, request: AgentRequest, call: ModelCall) -> Generated:
        if self._model is None or self._lock_file is None:
            path = weights(self._directory)
            self._lock_file = path.with_name("generation.lock")
            self._model = EmbeddedModel(path)
        with locked(self._lock_file):
            return Turn(self._model, self._persona, request, call).answer()
