"""Answers to a challenge: equal exactly where the secrets are, different for each challenge, without the secrets."""

from __future__ import annotations

import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from aragora.cluster.answers import (
    RING,
    Answers,
    Cost,
    Secrets,
    answers_of,
    changed,
    differing,
    may_change_while_nodes_run,
)
from aragora.config.settings import load_settings

CHEAP = Cost(passes=1, memory_kib=8, lanes=1)
NAMES = ("ARAGORA_API_TOKEN", "ARAGORA_JWT_SECRET", "ARAGORA_RECEIPT_SIGNING_KEY")
CHALLENGE = bytes(range(32))
KEYS = tuple(f"{number:064x}" for number in range(4))
RINGS = st.lists(st.sampled_from(KEYS), min_size=1, max_size=4, unique=True).map(tuple)
SECRETS = st.builds(
    lambda single, ring: Secrets({**single, RING: ring}),
    st.dictionaries(st.sampled_from(NAMES), st.tuples(st.text(st.characters(codec="utf-8"), min_size=1, max_size=8))),
    RINGS,
)


def answered(secrets: Secrets, challenge: bytes = CHALLENGE) -> Answers:
    return answers_of(secrets, challenge, CHEAP)


def ring(*keys: str) -> Answers:
    return answered(Secrets({RING: keys}))


@given(SECRETS, SECRETS)
def test_settings_differ_by_their_answers_exactly_where_they_differ_by_their_values(
    one: Secrets, other: Secrets
) -> None:
    told = {line.partition(" ")[0] for line in differing(answered(one), answered(other))}
    assert told - {RING} == {name for name in NAMES if one.values.get(name) != other.values.get(name)}


@given(SECRETS)
def test_no_answer_and_no_line_holds_a_secret(secrets: Secrets) -> None:
    marked = Secrets({name: tuple(f"§{value}" for value in values) for name, values in secrets.values.items()})
    others = Secrets(dict.fromkeys((*NAMES, RING), ("§another",)))
    lines = differing(answered(marked), answered(others))
    shown = " ".join((*lines, repr(marked), *(value for values in answered(marked).values() for value in values)))
    assert "§" not in shown
    assert not any(key in shown for key in KEYS)
    assert not any("\n" in line for line in lines)


@given(SECRETS, st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_an_answer_is_good_for_one_challenge_and_one_setting(secrets: Secrets, one: bytes, other: bytes) -> None:
    assume(one != other)
    first, second = answered(secrets, one), answered(secrets, other)
    assert all(set(first[name]).isdisjoint(second[name]) for name in first)
    same = answered(Secrets(dict.fromkeys(NAMES, ("one value",))), one)
    assert len(set(same.values())) == len(NAMES)


@given(RINGS, RINGS)
def test_a_node_that_is_let_in_reads_what_the_others_write_and_they_read_what_it_writes(
    own: tuple[str, ...], installation: tuple[str, ...]
) -> None:
    let_in = differing(ring(*own), ring(*installation)) == ()
    assert let_in == (set(installation) <= set(own) and own[0] in installation)


@given(st.lists(RINGS, min_size=2, max_size=4))
def test_whoever_is_let_in_can_read_what_any_other_writes(rings: list[tuple[str, ...]]) -> None:
    installation, *nodes = rings
    inside = [node for node in nodes if not differing(ring(*node), ring(*installation))]
    assert all(writer[0] in reader for writer in inside for reader in inside)


def test_a_key_is_rotated_while_nodes_run_and_nobody_is_refused_on_the_way() -> None:
    """Add it last, restart node by node, adopt; put it first, restart; re-encrypt; take the old one away, adopt."""
    old, new = KEYS[:2]
    for installation, before, after, adopted in (
        ((old,), (old,), (old, new), (old, new)),
        ((old, new), (old, new), (new, old), (new, old)),
        ((new, old), (new, old), (new, old), (new,)),
        ((new,), (new, old), (new,), (new,)),
    ):
        assert differing(ring(*before), ring(*installation)) == ()
        assert differing(ring(*after), ring(*installation)) == ()
        assert may_change_while_nodes_run(ring(*adopted), ring(*installation))
        assert differing(ring(*after), ring(*adopted)) == ()


def test_another_change_waits_until_no_node_runs() -> None:
    stored = answered(Secrets({"ARAGORA_JWT_SECRET": ("a",), RING: KEYS[:1]}))
    other_secret = answered(Secrets({"ARAGORA_JWT_SECRET": ("b",), RING: KEYS[:1]}))
    other_ring = answered(Secrets({"ARAGORA_JWT_SECRET": ("a",), RING: KEYS[1:2]}))
    without = answered(Secrets({"ARAGORA_JWT_SECRET": ("a",)}))
    assert changed(other_secret, stored) == ("ARAGORA_JWT_SECRET",)
    assert changed(stored, stored) == ()
    for own in (other_secret, other_ring, without):
        assert not may_change_while_nodes_run(own, stored)


@pytest.mark.parametrize(
    ("own", "stored", "told"),
    [
        ({}, {"ARAGORA_JWT_SECRET": ("a",)}, "ARAGORA_JWT_SECRET is not set here, and is on the other nodes"),
        ({"ARAGORA_SERVICE_TOKEN": ("a",)}, {}, "ARAGORA_SERVICE_TOKEN is set here, and is not on the other nodes"),
        ({RING: KEYS[:1]}, {RING: KEYS[:2]}, f"{RING} lacks 1 key of the other nodes"),
        ({RING: KEYS[2:]}, {RING: KEYS[:2]}, f"{RING} lacks every key of the other nodes"),
        ({RING: KEYS[1::-1]}, {RING: KEYS[:1]}, f"{RING} begins with a key that the other nodes may lack"),
    ],
)
def test_the_line_says_how_it_differs(
    own: dict[str, tuple[str, ...]], stored: dict[str, tuple[str, ...]], told: str
) -> None:
    (line,) = differing(answered(Secrets(own)), answered(Secrets(stored)))
    assert line.startswith(told)


def test_two_spellings_of_one_key_are_one_value() -> None:
    def spelt(key: str, keys: str) -> Secrets:
        return Secrets.of(load_settings({"ARAGORA_RECEIPT_SIGNING_KEY": key, "ARAGORA_ENCRYPTION_KEY": keys}))

    one = spelt("AB" * 32, f"{'CD' * 32}, {'EF' * 32}")
    assert one.values == spelt("ab" * 32, f"{'cd' * 32},{'ef' * 32}").values
    assert one.values[RING] == ("cd" * 32, "ef" * 32)


def test_the_case_of_a_password_counts() -> None:
    words = {"ARAGORA_JWT_SECRET": "Correct Horse Battery Staple Nine"}
    assert Secrets.of(load_settings(words)).values["ARAGORA_JWT_SECRET"] == (words["ARAGORA_JWT_SECRET"],)
    hexadecimal = {"ARAGORA_JWT_SECRET": "AB" * 32}
    assert Secrets.of(load_settings(hexadecimal)).values["ARAGORA_JWT_SECRET"] == ("AB" * 32,)


def test_the_operators_ray_token_is_compared_too() -> None:
    (line,) = differing(
        answered(Secrets.of(load_settings({}), "theirs")), answered(Secrets.of(load_settings({}), "others"))
    )
    assert line.startswith("RAY_AUTH_TOKEN is not that of the other nodes")


def test_a_guess_at_a_stored_answer_costs_more_than_a_hash() -> None:
    began = time.process_time()
    answers_of(Secrets({"ARAGORA_JWT_SECRET": ("weak",)}), CHALLENGE)
    assert time.process_time() - began > 0.02  # SHA-256 takes a microsecond
