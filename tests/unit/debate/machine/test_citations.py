"""How agents write that they cite an item, and what only looks like it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.debate.machine.citations import UNKNOWN_MAX, citations

OFFERED = {"K1", "K2", "K3"}


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("It holds [K3].", ("K3",)),
        ("It holds [K1, K3].", ("K1", "K3")),
        ("It holds [K1; K2 and K3].", ("K1", "K2", "K3")),
        ("It holds [K1][K2].", ("K1", "K2")),
        ("It holds [k2].", ("K2",)),
        ("It holds (K2).", ("K2",)),
        ("It holds (K1, K2).", ("K1", "K2")),
        ("It holds [K3: the decision of May].", ("K3",)),
        ("It holds [ K3 ].", ("K3",)),
        ("It holds [K3], and again [K3].", ("K3",)),
        ("\u3053\u308c\u306f\u6b63\u3057\u3044\u3010K1\u3001K2\u3011\u3002", ("K1", "K2")),
        ("\uff3b\uff2b\uff13\uff3d full width", ("K3",)),
        ("\u042d\u0442\u043e \u0442\u0430\u043a [\u041a3].", ("K3",)),
        ("[\u039a1] in Greek", ("K1",)),
        ("[[K1]] twice", ("K1",)),
    ],
)
def test_labels_in_brackets_are_citations(text: str, labels: tuple[str, ...]) -> None:
    found = citations(text, (), OFFERED)
    assert (found.labels, found.unknown) == (labels, ())


@pytest.mark.parametrize(
    "text",
    [
        "K3 is a mountain beside K2.",
        "Kubernetes (K8s), or K3s for short [K3s].",
        "See [see K3] and [note K1].",
        "[K]",
        "[3]",
        "[K1",
        "K1]",
        "[K1-K3]",
        "vitamin K2",
        "[OK1]",
        "[K12345]",
    ],
)
def test_what_only_looks_like_a_label_is_none(text: str) -> None:
    assert not citations(text, (), OFFERED)


@pytest.mark.parametrize("evidence", ["K3", "K3: less caffeine", "K3 says so", " K3, a trial", "a trial [K3]", "(K3)"])
def test_evidence_cites_by_its_first_word_or_in_brackets(evidence: str) -> None:
    assert citations("Tea.", (evidence,), OFFERED).labels == ("K3",)


@pytest.mark.parametrize("evidence", ["the summit of K2", "K3s runs it", "K3x", "k3"])
def test_evidence_that_only_mentions_a_label_cites_nothing(evidence: str) -> None:
    assert not citations("Tea.", (evidence,), OFFERED)


def test_a_label_that_was_not_offered_is_unknown_in_square_brackets_only() -> None:
    found = citations("It holds [K7, K1]. The summit (K8) is high.", ("K9: a claim",), OFFERED)
    assert (found.labels, found.unknown) == (("K1",), ("K7",))


def test_no_answer_makes_a_long_list_of_unknown_labels() -> None:
    found = citations(" ".join(f"[K{number}]" for number in range(10, 200)), (), OFFERED)
    assert len(found.unknown) == UNKNOWN_MAX


@given(st.text(alphabet="[](K1234, :\u3010\u3011sand\n"), st.lists(st.text(alphabet="[K12] :"), max_size=3))
def test_only_offered_labels_are_cited_and_no_other_is_unknown(text: str, evidence: list[str]) -> None:
    found = citations(text, tuple(evidence), OFFERED)
    assert set(found.labels) <= OFFERED
    assert not set(found.unknown) & OFFERED
    assert len(set(found.labels)) == len(found.labels)


@pytest.mark.parametrize("text", ["[" * 200_000, "[K1, " * 40_000, "(" + "K1 " * 70_000, "K1" * 100_000])
def test_a_hostile_text_is_read_in_a_moment(text: str) -> None:
    began = time.process_time()
    citations(text, (text,), OFFERED)
    assert time.process_time() - began < 5.0
