"""What a local model server offers, for `aragora doctor`: asked as its agents will ask it, with its key."""

from __future__ import annotations

from typing import Any, Final

import aiohttp
import msgspec

from aragora import encoding
from aragora.agents.causes import code_of, remedy_of
from aragora.agents.chat_models import first_chat_model
from aragora.agents.offered import list_in
from aragora.texts import counted

_LOAD_ONE: Final = (
    "Load one there (Ollama: ollama pull llama3.2; LM Studio: lms load), or name it in ARAGORA_LOCAL_MODEL."
)


class NoModel(Exception):
    """The server answers, and nobody can debate with what it offers. `told` says why, `mend` what to do."""

    def __init__(self, told: str, mend: str) -> None:
        super().__init__(told)
        self.told = told
        self.mend = mend


async def offered(address: str, key: str | None, chosen: str | None) -> str:
    """What the server at `address` offers, in words. `chosen` is the model that the settings name.

    Raises NoModel, and what aiohttp raises where nothing answers.
    """
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    async with aiohttp.ClientSession(headers=headers) as session, session.get(f"{address}/models") as answer:
        if answer.status >= 400:
            raise _refused(answer.status, (await list_in(answer)).decode("utf-8", "replace"))
        names = _names(await list_in(answer))
    return _told(names, chosen)


def _told(names: list[str], chosen: str | None) -> str:
    if chosen is not None:
        return f"{counted(len(names), 'model')}; {chosen} is asked, as ARAGORA_LOCAL_MODEL says"
    if not names:
        raise NoModel("answers, but offers no model", _LOAD_ONE)
    first = first_chat_model(names)
    if first is None:
        raise NoModel(f"answers, but offers no model that can chat, only {', '.join(names[:3])}", _LOAD_ONE)
    return f"{counted(len(names), 'model')}; {first} is asked"


def _names(body: bytes) -> list[str]:
    """The names in an answer to GET /v1/models; servers without a model answer with null, or leave the list out."""
    try:
        document: Any = encoding.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        document = None
    if not isinstance(document, dict) or not document.keys() & {"data", "object"}:
        raise NoModel(
            "answers, but not as a server of models does",
            "Is ARAGORA_LOCAL_BASE_URL the address of its OpenAI-compatible API? It mostly ends in /v1.",
        )
    models = document.get("data")
    found = [model.get("id") for model in models if isinstance(model, dict)] if isinstance(models, list) else []
    return [name for name in found if isinstance(name, str) and name]


def _refused(status: int, words: str) -> NoModel:
    mend = remedy_of(code_of(status, "" if status == 404 else words)) or "See its log."
    if status == 401:
        mend = f"Set ARAGORA_LOCAL_API_KEY. {mend}"
    return NoModel(f"answered {status}", mend)
