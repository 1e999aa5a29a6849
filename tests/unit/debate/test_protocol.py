"""The presets and their checks."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

import aragora
from aragora.debate.model import ConsensusMode, Protocol, Topology
from aragora.debate.protocol import PRESETS, check, preset
from aragora.errors import InvalidInput


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_bears_its_name_and_passes_its_own_check(name: str) -> None:
    protocol = preset(name)
    check(protocol)
    assert protocol.name == name


def test_settings_replace_those_of_the_preset() -> None:
    protocol = preset("structured", rounds=5, consensus="supermajority", topology="ring")
    assert (protocol.rounds, protocol.consensus, protocol.topology) == (5, ConsensusMode.SUPERMAJORITY, Topology.RING)
    assert protocol.threshold == pytest.approx(2 / 3)


def test_the_mode_judge_asks_a_judge_and_any_other_mode_does_not() -> None:
    assert preset("structured", consensus="judge").judged
    assert not preset("duel", consensus="majority").judged


def test_a_council_of_several_rounds_revises() -> None:
    assert preset("council", rounds=2).revise


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("senate",), "structured, council, society, duel, ensemble"),
        (("structured", 0), "1 to 20"),
        (("structured", 21), "1 to 20"),
        (("ensemble", 2), "just 1"),
        (("structured", 1, "monarchy"), "majority, supermajority, unanimous, weighted, judge, none"),
        (("structured", 1, None, "tree"), "all_to_all, ring, star, sparse"),
    ],
)
def test_a_wrong_value_is_refused_with_the_allowed_ones(arguments: tuple[object, ...], told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        preset(*arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"rounds": 0},
        {"threshold": 1.5},
        {"convergence_threshold": -0.1},
        {"quorum": 0.0},
        {"phase_deadline_s": float("nan")},
        {"grace_s": -1.0},
        {"self_vote_weight": 2.0},
    ],
)
def test_a_setting_out_of_range_is_named(change: dict[str, float]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(change))):
        check(replace(Protocol("own"), **change))  # type: ignore[arg-type]


def test_the_page_offers_every_preset() -> None:
    page = (Path(aragora.__file__).parent / "server/pages/index.html").read_text()
    chosen = page.partition('id="protocol"')[2].partition("</select>")[0]
    assert re.findall(r'<option value="(\w+)"', chosen) == list(PRESETS)
