"""Asking a provider and reading what comes, for all who stream: what is left out where a server refuses a part of the
call, and what an answer's body brings, be it a stream, a document, a page or an error."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from aragora.agents.providers import manner, sdk
from aragora.agents.providers.events import DONE, Document, arrivals, objects_in
from aragora.agents.providers.manner import Manner
from aragora.agents.providers.received import Received
from aragora.agents.providers.told import is_error, told_in

OK: Final = 200


class StreamedAnswer(Received, ABC):
    """What a streamed answer has brought so far. `take` and `take_document` raise AnswerEndless."""

    parts_of_a_document: str
    """The list that every whole answer has."""

    @abstractmethod
    def take(self, event: object) -> None:
        """The JSON of the next event; it may hold anything."""

    @abstractmethod
    def take_document(self, document: object) -> None:
        """A whole answer in one piece."""


class Ways:
    """How one model of a provider is asked: in the usual manner, until its server refuses a part of it. What then
    works is kept here."""

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._manner = Manner()

    async def ask(
        self,
        once: Callable[[Manner], Awaitable[None]],
        refusal_of: Callable[[Exception], tuple[int, object] | None],
        received: Received,
    ) -> None:
        """Ask `once`; again where an error is a refusal (its status and body) that names a part of the call, each time
        without one part more. Raises what `once` raises."""
        way = self._manner
        for _ in range(manner.MOST_STEPS):
            try:
                await once(way)
            except Exception as error:
                answer = refusal_of(error)
                step = answer and manner.after(way, self._provider, answer[0], told_in(answer[1]).all)
                if not step:
                    raise
                way = step.manner
                received.remark(step.remark)
            else:
                self._manner = way
                return
        await once(way)


async def read_answer(pieces: AsyncIterator[bytes], received: StreamedAnswer, failures: sdk.Failures) -> None:
    """Take what the body of an answer brings, until it is done or ends. Raises ProviderError, TooLarge, and what
    `pieces` raise."""
    body = arrivals(_noticed(pieces, received))
    async for arrived in body:
        if isinstance(arrived, Document):
            take_document(arrived.text, received, failures)
        elif arrived.data.strip() == DONE:
            received.done = True
        elif arrived.data.strip():
            _take_event(arrived.data, received, failures)
        if received.done:
            await sdk.drained(body)
            return


async def _noticed(pieces: AsyncIterator[bytes], received: Received) -> AsyncIterator[bytes]:
    """The same pieces; whatever they bring, the provider lives."""
    async for piece in pieces:
        received.lives()
        yield piece


def take_document(text: str, received: StreamedAnswer, failures: sdk.Failures) -> None:
    """A whole body that is no stream. Raises ProviderError where it is no answer."""
    document = json_of(text, received, failures)
    if not sdk.parts(document, received.parts_of_a_document):
        raise failures.answered(OK, document, received)
    received.take_document(document)
    received.done = True


def json_of(text: str, received: Received, failures: sdk.Failures) -> object:
    """The JSON of a body. Raises ProviderError where it is none, or tells an error."""
    try:
        document = objects_in(text)[0]
    except ValueError:
        raise failures.answered(OK, text, received) from None
    if is_error(document):
        raise failures.answered(OK, document, received)
    return document


def _take_event(data: str, received: StreamedAnswer, failures: sdk.Failures) -> None:
    try:
        events = objects_in(data)
    except ValueError:
        raise failures.unreadable(data, received) from None
    for event in events:
        if is_error(event):
            raise failures.answered(OK, event, received)
        received.take(event)
