"""What an agent is shown stays of one size however long a debate goes on: no round carries the rounds before it."""

from __future__ import annotations

from collections import defaultdict

import pytest
from worlds import debating

from aragora.debate.model import AgentRequest, AskKind, Protocol, Reply, Topology, VoteCast
from aragora.encoding import encode
from aragora.limits import NOTE_MAX_CHARS

ROUNDS = 8


def sizes_of(topology: Topology) -> dict[AskKind, dict[int, int]]:
    """The largest brief of every kind of ask, by round."""
    protocol = Protocol("own", rounds=ROUNDS, topology=topology, early_stop=False, settles=False, trickster=False)
    sizes: dict[AskKind, dict[int, int]] = defaultdict(dict)
    for request in debating.start(debating.spec_of(protocol=protocol)).play().requests:
        of_kind, size = sizes[request.ask.kind], len(encode(request.brief))
        of_kind[request.ask.round] = max(size, of_kind.get(request.ask.round, 0))
    return sizes


@pytest.mark.parametrize("topology", Topology)
def test_no_kind_of_ask_is_shown_more_in_a_later_round(topology: Topology) -> None:
    sizes = sizes_of(topology)
    assert set(sizes[AskKind.REVISE]) == set(range(2, ROUNDS + 1))
    for kind, by_round in sizes.items():
        first, *later = by_round.values()
        assert max(later, default=first) <= first, kind


def test_a_vote_is_recorded_with_its_reason_and_nothing_of_what_the_voter_read() -> None:
    read: list[AgentRequest] = []

    def answer(request: AgentRequest) -> Reply:
        read.append(request)
        return debating.answer_to(request)

    run = debating.start().play(answer)
    shown = {one.text for request in read for one in request.brief.candidates}
    votes = run.of(VoteCast)
    assert len(votes) == len(debating.AGENTS)
    assert all(len(vote.reason) <= NOTE_MAX_CHARS for vote in votes)
    assert not any(text in str(encode(vote)) for vote in votes for text in shown)
