"""Asking a provider and reading what comes, for all who stream: what is left out where a server refuses a part of the
call, and what an answer's body brings, be it a stream, a document, a page or an error."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from aragora.agents.providers import manner, sdk
from aragora.agents.providers.events import Document, arrivals, is_done, objects_in
from aragora.agents.providers.manner import Manner, Step
from aragora.agents.providers.received import Received
from aragora.agents.providers.told import error_in, told_in

OK: Final = 200
_FIRST_ERROR: Final = 400


class StreamedAnswer(Received, ABC):
    """What a streamed answer has brought so far. `take` and `take_document` raise AnswerEndless."""

    parts_of_a_document: str
    """The list that every whole answer has."""

    @abstractmethod
    def take(self, event: object) -> None:
        """The JSON of the next event; it may hold anything."""

    def is_answer(self, document: object) -> bool:
        """Whether a document is a whole answer, and not something else."""
        return bool(sdk.parts(document, self.parts_of_a_document))

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
                step = self._after(way, refusal_of(error), received)
                if not step:
                    raise
                way = step.manner
                received.remark(step.remark)
            else:
                self._manner = way
                return
        await once(way)

    def _after(self, way: Manner, answer: tuple[int, object] | None, received: Received) -> Step | None:
        """What to try after a refusal, be it an error answer or one that came with status 200 before any answer."""
        if answer is None:
            refused = None if received.began else received.refused
            return refused and manner.after(way, self._provider, refused[0], refused[1])
        status, told = answer[0], told_in(answer[1])
        return manner.after(way, self._provider, status if status >= _FIRST_ERROR else told.status or OK, told.all)


async def read_answer(pieces: AsyncIterator[bytes], received: StreamedAnswer, failures: sdk.Failures) -> None:
    """Take what the body of an answer brings, until it is done or ends. Raises ProviderError, TooLarge, and what
    `pieces` raise."""
    body = arrivals(_noticed(pieces, received))
    last: object = None
    async for arrived in body:
        if isinstance(arrived, Document):
            take_document(arrived.text, received, failures)
        elif arrived.tells_error:
            raise failures.answered(OK, arrived.data, received)
        elif is_done(arrived.data):
            received.done = True
        elif arrived.data.strip():
            last = _take_event(arrived.data, received, failures)
        if received.done:
            await sdk.drained(body)
            return
    if not received.began and told_in(last).words:  # words of an error beside nothing that would name it as one
        raise failures.answered(OK, last, received)


async def _noticed(pieces: AsyncIterator[bytes], received: Received) -> AsyncIterator[bytes]:
    """The same pieces; whatever they bring, the provider lives."""
    async for piece in pieces:
        received.lives()
        yield piece


def take_document(text: str, received: StreamedAnswer, failures: sdk.Failures) -> None:
    """A whole body that is no stream: a document, or the events of a stream as lines of JSON or as a list. Raises
    ProviderError where it is no answer."""
    lines = [line for line in text.split("\n") if line.strip()]
    if len(lines) > 1 and _is_json(lines[0]):
        for line in lines:
            if is_done(line):
                received.done = True
            else:
                _take_event(line, received, failures)
        return
    document = json_of(text, received, failures)
    if isinstance(document, list) and len(document) == 1:
        document = document[0]
        _refuse_error(document, received, failures)
    if isinstance(document, list):
        for event in document:
            _refuse_error(event, received, failures)
            received.take(event)
        if received.began:
            received.done = True
            return
    if not received.is_answer(document):
        raise failures.answered(OK, document, received)
    received.take_document(document)
    received.done = True


def json_of(text: str, received: Received, failures: sdk.Failures) -> object:
    """The JSON of a body. Raises ProviderError where it is none, or tells an error."""
    try:
        document, *_ = objects_in(text)  # of a body that is only a stream's last word, there are none: a ValueError too
    except ValueError:
        raise failures.answered(OK, text, received) from None
    _refuse_error(document, received, failures)
    return document


def _take_event(data: str, received: StreamedAnswer, failures: sdk.Failures) -> object:
    """Take the JSON of an event. Returns the last of it."""
    try:
        events = objects_in(data)
    except ValueError:
        raise failures.unreadable(data, received) from None
    for event in events:
        _refuse_error(event, received, failures)
        received.take(event)
    return events[-1] if events else None


def _refuse_error(document: object, received: Received, failures: sdk.Failures) -> None:
    error = error_in(document)
    if error is not None:
        raise failures.answered(OK, error, received)


def _is_json(line: str) -> bool:
    try:
        objects_in(line)
    except ValueError:
        return False
    return True
