"""The real SDKs against a local server that speaks the providers' wire formats."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from aragora.agents.answer_format import parse_answer
from aragora.agents.model import (
    CallRefused,
    Provider,
    ProviderError,
    ProviderFault,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderTimedOut,
    ProviderUnreachable,
    StreamBroken,
    UnknownModel,
    WrongKey,
)
from aragora.agents.pricing import cost_usd
from aragora.debate.model import AskKind
from tests.standins.dialects import INPUT_TOKENS, OUTPUT_TOKENS
from tests.standins.providers import Behaviour, ProviderStandIn

from .conftest import AGENTS, NAMES, call_for, request_for

pytestmark = pytest.mark.slow
each_provider = pytest.mark.parametrize("agent", AGENTS)

ProviderOf = Callable[..., Provider]
SILENT_S = 60.0  # the time for which a provider says nothing
WRONG_KEY = "sk-wrong-0123456789abcdefghij"


async def failure_of(provider: Provider, timeout_s: float = 20.0) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await provider.complete(call_for(timeout_s=timeout_s))
    return caught.value


class Ear:
    """Writes down what it hears."""

    def __init__(self) -> None:
        self.calls = self.signs = 0
        self.pieces: list[str] = []

    def begins(self) -> None:
        self.calls += 1

    def hears(self, piece: str) -> None:
        self.pieces.append(piece)

    def lives(self) -> None:
        self.signs += 1


@each_provider
@pytest.mark.parametrize("kind", [AskKind.PROPOSE, AskKind.CRITIQUE, AskKind.VOTE, AskKind.RANK, AskKind.GROUP])
async def test_a_streamed_answer_is_put_together_and_fits_its_schema(
    agent: str, kind: AskKind, provider_of: ProviderOf
) -> None:
    completion = await provider_of(agent).complete(call_for(kind))
    parse_answer(request_for(kind), completion.text)


@each_provider
async def test_who_listens_hears_every_piece_of_the_text_and_that_the_call_lives(
    agent: str, provider_of: ProviderOf
) -> None:
    ear = Ear()
    completion = await provider_of(agent).complete(replace(call_for(), listener=ear))
    assert len(ear.pieces) > 1
    assert "".join(ear.pieces) == completion.text
    assert ear.signs > 0


@each_provider
async def test_tokens_are_counted_and_priced(agent: str, provider_of: ProviderOf) -> None:
    provider = provider_of(agent)
    usage = (await provider.complete(call_for())).usage
    assert (usage.input_tokens, usage.output_tokens) == (INPUT_TOKENS, OUTPUT_TOKENS)
    assert usage.provider == provider.name
    assert usage.cost_usd == pytest.approx(cost_usd(usage.provider, usage.model, INPUT_TOKENS, OUTPUT_TOKENS))


@each_provider
async def test_prompt_schema_and_stream_travel(agent: str, provider_of: ProviderOf, standin: ProviderStandIn) -> None:
    await provider_of(agent).complete(call_for())
    (seen,) = standin.seen
    assert "You debate." in str(seen.body)
    assert "Why?" in str(seen.body)
    assert "evidence" in str(seen.body)
    assert seen.body.get("stream") is True or "streamGenerateContent" in seen.path


@each_provider
async def test_a_429_tells_how_long_to_wait_and_is_not_repeated(
    agent: str, provider_of: ProviderOf, standin: ProviderStandIn
) -> None:
    standin.next(Behaviour(status=429, headers={"Retry-After": "7"}))
    error = await failure_of(provider_of(agent))
    assert type(error) is ProviderRateLimited
    assert error.retry_after_s == 7.0
    assert len(standin.seen) == 1


@each_provider
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (529, ProviderOverloaded),
        (503, ProviderOverloaded),
        (500, ProviderFault),
        (400, CallRefused),
        (404, UnknownModel),
    ],
)
async def test_other_statuses_have_their_class_and_are_not_repeated(
    agent: str, status: int, kind: type[ProviderError], provider_of: ProviderOf, standin: ProviderStandIn
) -> None:
    standin.next(Behaviour(status=status))
    assert type(await failure_of(provider_of(agent))) is kind
    assert len(standin.seen) == 1


@each_provider
async def test_a_wrong_key_is_told_without_the_key(agent: str, provider_of: ProviderOf) -> None:
    provider = provider_of(agent, key=WRONG_KEY)
    error = await failure_of(provider)
    assert type(error) is WrongKey
    assert error.__cause__ is None
    assert error.__suppress_context__
    for text in (str(error), repr(error), repr(provider), str(vars(provider))):
        assert WRONG_KEY not in text


@each_provider
@pytest.mark.parametrize(
    "behaviour",
    [Behaviour(cut_after=2), Behaviour(broken_after=2), Behaviour(broken_after=0)],
    ids=["ends early", "breaks", "breaks at once"],
)
async def test_a_cut_stream_is_a_fault(
    agent: str, behaviour: Behaviour, provider_of: ProviderOf, standin: ProviderStandIn
) -> None:
    standin.next(behaviour)
    assert type(await failure_of(provider_of(agent))) is StreamBroken


@each_provider
async def test_an_overload_told_in_the_midst_of_a_stream_counts_as_one(
    agent: str, provider_of: ProviderOf, standin: ProviderStandIn
) -> None:
    status = 503 if agent == "gemini" else 529
    standin.next(Behaviour(status=status, error_after=2))
    assert type(await failure_of(provider_of(agent))) is ProviderOverloaded


@each_provider
@pytest.mark.parametrize(
    "behaviour", [Behaviour(delay_s=SILENT_S), Behaviour(stalled_after=1)], ids=["silent", "stalled"]
)
async def test_silence_is_a_timeout(
    agent: str, behaviour: Behaviour, provider_of: ProviderOf, standin: ProviderStandIn
) -> None:
    provider = provider_of(agent)
    await provider.complete(call_for())  # the SDK is imported and connected
    standin.next(behaviour)
    began = time.monotonic()
    assert type(await failure_of(provider, timeout_s=0.3)) is ProviderTimedOut
    assert time.monotonic() - began < SILENT_S / 2


@each_provider
async def test_nobody_listening_is_a_fault(agent: str, provider_of: ProviderOf) -> None:
    nowhere = {f"{name}_base_url": "http://127.0.0.1:9" for name in NAMES}
    assert type(await failure_of(provider_of(agent, **nowhere))) is ProviderUnreachable


async def test_a_local_server_is_asked_for_its_first_model(provider_of: ProviderOf) -> None:
    assert (await provider_of("local").complete(call_for())).usage.model == "first-model"


async def test_openrouters_own_bill_counts(settings_with: Callable[..., object], provider_of: ProviderOf) -> None:
    async with ProviderStandIn(cost_usd=0.0123) as billing:
        provider = provider_of("openrouter", openrouter_base_url=billing.chat)
        assert (await provider.complete(call_for())).usage.cost_usd == 0.0123


async def test_a_wrong_gemini_key_is_known_by_its_reason(provider_of: ProviderOf, standin: ProviderStandIn) -> None:
    standin.next(Behaviour(status=400, message="API key not valid. API_KEY_INVALID"))
    assert type(await failure_of(provider_of("gemini"))) is WrongKey
