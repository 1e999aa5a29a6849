"""The presets: five protocols, each the same machine with other settings."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, TypeVar

from aragora.debate.model import ConsensusMode, Protocol, Topology
from aragora.errors import InvalidInput
from aragora.limits import ROUNDS_MAX, ROUNDS_MIN

_Choice = TypeVar("_Choice", Topology, ConsensusMode)

PRESETS: Final[dict[str, Protocol]] = {
    protocol.name: protocol
    for protocol in (
        Protocol(name="structured", topology=Topology.POSITIONS, positions=True, settles=True),
        Protocol(
            name="council",
            rounds=1,
            critique=False,
            revise=False,
            rank=True,
            synthesize=True,
            early_stop=False,
            trickster=False,
            positions=True,
        ),
        Protocol(name="society", critique=False, positions=True, settles=True),
        Protocol(name="duel", rounds=2, judged=True, consensus=ConsensusMode.JUDGE, early_stop=False, positions=True),
        Protocol(
            name="ensemble",
            rounds=1,
            critique=False,
            revise=False,
            early_stop=False,
            trickster=False,
            positions=True,
        ),
    )
}

THRESHOLDS: Final[dict[ConsensusMode, float]] = {
    ConsensusMode.MAJORITY: 0.5,
    ConsensusMode.SUPERMAJORITY: 2 / 3,
    ConsensusMode.UNANIMOUS: 1.0,
    ConsensusMode.WEIGHTED: 0.5,
    ConsensusMode.JUDGE: 0.5,
    ConsensusMode.NONE: 0.5,
}


def preset(name: str, rounds: int | None = None, consensus: str | None = None, topology: str | None = None) -> Protocol:
    """The preset `name`, with what is given in place of its own settings.

    More than one round makes agents reread each other and revise, except in `ensemble`, whose answers stay
    independent. A topology that links agents and not positions makes every round of it run, as far as they do not
    agree: whoever names it wants the full exchange. Raises InvalidInput with the allowed values.
    """
    protocol = PRESETS.get(name)
    if protocol is None:
        raise InvalidInput(f"There is no protocol {name!r}: choose one of {', '.join(PRESETS)}.")
    if rounds is not None:
        protocol = _with_rounds(protocol, rounds)
    if consensus is not None:
        protocol = _with_consensus(protocol, consensus)
    if topology is not None:
        protocol = _with_topology(protocol, topology)
    return protocol


def takes_knowledge(protocol: Protocol) -> bool:
    """Whether debates by `protocol` look for knowledge where there is any: all but `ensemble`, the baseline that the
    others are measured by."""
    return protocol.name != "ensemble"


def check(protocol: Protocol) -> None:
    """Raise InvalidInput where a setting is out of its range, naming the setting and the range."""
    ranges = (
        ("rounds", ROUNDS_MIN <= protocol.rounds <= ROUNDS_MAX, f"{ROUNDS_MIN} to {ROUNDS_MAX}"),
        ("threshold", 0.0 <= protocol.threshold <= 1.0, "0 to 1"),
        ("convergence_threshold", 0.0 <= protocol.convergence_threshold <= 1.0, "0 to 1"),
        ("quorum", 0.0 < protocol.quorum <= 1.0, "above 0, at most 1"),
        ("phase_deadline_s", 0.0 < protocol.phase_deadline_s <= 86_400.0, "above 0, at most 86400 seconds"),
        ("grace_s", 0.0 <= protocol.grace_s <= 86_400.0, "0 to 86400 seconds"),
        ("self_vote_weight", 0.0 <= protocol.self_vote_weight <= 1.0, "0 to 1"),
    )
    for setting, holds, allowed in ranges:
        if not holds:
            raise InvalidInput(f"The protocol's {setting} is {getattr(protocol, setting)}: allowed is {allowed}.")


def _with_rounds(protocol: Protocol, rounds: int) -> Protocol:
    most = 1 if protocol.name == "ensemble" else ROUNDS_MAX
    if not ROUNDS_MIN <= rounds <= most:
        allowed = "just 1, its answers are independent" if most == 1 else f"1 to {most}"
        raise InvalidInput(f"The protocol {protocol.name} cannot run {rounds} rounds: allowed is {allowed}.")
    return replace(protocol, rounds=rounds, revise=protocol.revise or rounds > 1)


def _with_topology(protocol: Protocol, topology: str) -> Protocol:
    chosen = _one_of(Topology, topology, "topology")
    return replace(protocol, topology=chosen, settles=protocol.settles and chosen is Topology.POSITIONS)


def _with_consensus(protocol: Protocol, consensus: str) -> Protocol:
    mode = _one_of(ConsensusMode, consensus, "consensus mode")
    return replace(
        protocol,
        consensus=mode,
        threshold=THRESHOLDS[mode],
        judged=mode is ConsensusMode.JUDGE,
        rank=protocol.rank and mode is not ConsensusMode.NONE,
    )


def _one_of(kind: type[_Choice], value: str, what: str) -> _Choice:
    try:
        return kind(value)
    except ValueError:
        raise InvalidInput(f"There is no {what} {value!r}: choose one of {', '.join(kind)}.") from None
