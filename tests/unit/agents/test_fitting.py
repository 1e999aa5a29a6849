"""What a model with a small context is shown: a choice that fits, in a known order, and told in full."""

from __future__ import annotations

import re
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.agents.fitting import CONCLUSION_MAX_CHARS, Fitted, fit
from aragora.agents.pricing import estimated_tokens
from aragora.agents.prompts import render
from aragora.debate.model import AgentRequest, Ask, AskKind, Brief, Candidate

MARK = "00112233445566ff"
SENTENCE = "Because the second reason holds as well, whatever others say. "


def size(brief: Brief, kind: AskKind = AskKind.REVISE) -> int:
    request = AgentRequest(Ask("d/2/revise/a", "d", "a", kind, 2), brief, 30.0)
    system, turns = render(request, MARK)
    return estimated_tokens(system, *(turn.text for turn in turns))


def fitted(brief: Brief, budget: int) -> Fitted:
    found = fit(brief, budget, size)
    assert found is not None
    assert size(found.brief) <= budget
    return found


def answers(*lengths: int) -> tuple[Candidate, ...]:
    texts = (
        (f"Answer {label}. " + SENTENCE * (1 + length // len(SENTENCE)))[:length] for label, length in lettered(lengths)
    )
    return tuple(Candidate(label, text) for (label, _), text in zip(lettered(lengths), texts, strict=True))


def lettered(lengths: tuple[int, ...]) -> list[tuple[str, int]]:
    return list(zip("ABCDEFGHIJKLMNOPQRST", lengths, strict=False))


FULL = Brief(
    question="Which queue should we use, and why?",
    context="First paragraph.\n\n" + "\n\n".join(f"Paragraph {number}. {SENTENCE * 3}".strip() for number in range(60)),
    round=2,
    own="Redis. " + SENTENCE * 20,
    candidates=answers(400, 6_000, 9_000),
    critiques=tuple(f"{label}: objection {number} {'x' * 300}" for label in "ABC" for number in range(3)),
    suggestions=tuple(f"suggestion {number} {'y' * 200}" for number in range(5)),
    options=("Redis", "Kafka"),
    challenge="Give your own reasons.",
)
WHOLE = size(FULL)


def test_with_room_for_all_nothing_is_changed_or_told() -> None:
    assert fitted(FULL, WHOLE) == Fitted(FULL)


def test_with_one_token_too_few_only_the_context_is_shorter() -> None:
    found = fitted(FULL, WHOLE - 1)
    assert replace(found.brief, context=FULL.context) == FULL
    assert re.fullmatch(r"saw [\d,]+ of [\d,]+ characters of the context: its model takes no more", found.remarks[0])
    assert len(found.remarks) == 1
    shown, _, mark = found.brief.context.partition(" [shortened: ")
    assert FULL.context.startswith(shown + "\n\n")  # whole paragraphs
    assert mark == f"{len(shown):,} of {len(FULL.context):,} characters shown]"


def test_question_options_and_challenge_are_whole_or_there_is_no_prompt() -> None:
    least = next(budget for budget in range(0, WHOLE, 10) if fit(FULL, budget, size) is not None)
    found = fitted(FULL, least)
    assert (found.brief.question, found.brief.options, found.brief.challenge) == (
        FULL.question, FULL.options, FULL.challenge,
    )  # fmt: skip
    assert fit(FULL, size(Brief(FULL.question, options=FULL.options)), size) is None


def test_a_question_that_fits_alone_needs_nothing_else() -> None:
    brief = Brief("Which queue?", options=("Redis", "Kafka"))
    assert fitted(brief, size(brief)) == Fitted(brief)
    assert fit(brief, size(brief) - 1, size) is None


def test_in_the_least_prompt_every_answer_has_its_conclusion_and_all_else_is_marked_as_left_out() -> None:
    least = next(budget for budget in range(0, WHOLE, 10) if fit(FULL, budget, size) is not None)
    found = fitted(FULL, least)
    assert [one.text.partition(". ")[0] for one in found.brief.candidates] == ["Answer A", "Answer B", "Answer C"]
    assert found.brief.own.startswith("Redis. ")
    assert found.brief.critiques == ("[0 of 9 shown]",)
    assert found.brief.suggestions == ("[0 of 5 shown]",)
    assert found.brief.context == f"[shortened: 0 of {len(FULL.context):,} characters shown]"
    assert [remark.partition(":")[0] for remark in found.remarks][2:] == [
        "did not see 9 of 9 objections",
        "did not see 5 of 5 suggestions",
        f"saw 0 of {len(FULL.context):,} characters of the context",
    ]


def test_the_longest_answers_are_shortened_first_to_one_length_where_sentences_end() -> None:
    brief = Brief("Which?", candidates=answers(400, 6_000, 9_000))
    found = fitted(brief, size(brief) - 2_000)
    short, middle, long = (one.text for one in found.brief.candidates)
    assert short == brief.candidates[0].text
    texts = [text.partition(" [shortened: ")[0] for text in (middle, long)]
    assert abs(len(texts[0]) - len(texts[1])) <= len(SENTENCE)
    assert all(text.endswith(".") for text in texts)
    (remark,) = found.remarks
    seen = f"B {len(texts[0]):,} of 6,000, C {len(texts[1]):,} of 9,000 characters"
    assert remark == f"saw the beginnings of 2 of 3 answers ({seen}): its model takes no more"


def test_each_answer_of_a_ballot_keeps_its_newest_objections() -> None:
    least = size(replace(FULL, context="", critiques=(), suggestions=()))
    found = fitted(FULL, least + 480)
    kept = [note[: len("A: objection 2")] for note in found.brief.critiques if ": " in note]
    assert kept == ["A: objection 2", "B: objection 2", "C: objection 2"]
    assert found.brief.critiques[-1] == "[3 of 9 shown]"
    assert "did not see 6 of 9 objections: its model takes no more" in found.remarks


def test_the_newest_suggestions_stay() -> None:
    brief = replace(FULL, context="", critiques=())
    found = fitted(brief, size(brief) - 100)
    assert [note[:12] for note in found.brief.suggestions] == [
        "suggestion 2", "suggestion 3", "suggestion 4", "[3 of 5 show",
    ]  # fmt: skip


def test_a_conclusion_without_an_end_is_cut_at_a_word() -> None:
    brief = Brief("Which?", candidates=(Candidate("A", "word " * 3_000),))
    found = fitted(brief, next(budget for budget in range(size(brief)) if fit(brief, budget, size) is not None))
    text = found.brief.candidates[0].text.partition(" [shortened: ")[0]
    assert text.endswith("word")
    assert len(text) <= CONCLUSION_MAX_CHARS


texts = st.text(st.characters(codec="utf-8"), max_size=400) | st.sampled_from(
    [
        SENTENCE * 40,
        "x" * 3_000,
        "\n".join("line" for _ in range(800)),
        "日本語の文。" * 300,
        "[shortened: 3 of 9]",
        MARK,
    ]
)
briefs = st.builds(
    Brief,
    question=texts.filter(str.strip),
    context=texts,
    own=texts,
    candidates=st.lists(texts, max_size=5).map(
        lambda found: tuple(Candidate(label, text) for label, text in zip("ABCDE", found, strict=False))
    ),
    critiques=st.lists(texts, max_size=4).map(tuple),
    suggestions=st.lists(texts, max_size=4).map(tuple),
    challenge=texts,
    options=st.sampled_from([(), ("Redis", "Kafka")]),
    checklist=st.lists(texts, max_size=5).map(tuple),
    priors=st.lists(texts, max_size=5).map(tuple),
    cruxes=st.lists(texts, max_size=3).map(tuple),
)


@given(briefs, st.floats(0.0, 1.1), st.sampled_from(AskKind))
def test_what_is_shown_fits_keeps_labels_and_order_and_every_omission_is_told(
    brief: Brief, share: float, kind: AskKind
) -> None:
    whole = size(brief, kind)
    budget = int(whole * share)
    found = fit(brief, budget, lambda tried: size(tried, kind))
    if found is None:
        assert whole > budget
        return
    shown = found.brief
    assert size(shown, kind) <= budget
    assert (shown.question, shown.options, shown.challenge) == (brief.question, brief.options, brief.challenge)
    assert [one.label for one in shown.candidates] == [one.label for one in brief.candidates]
    assert [note for note in brief.critiques if note in shown.critiques] == [
        note for note in shown.critiques if note in brief.critiques
    ] or len(set(brief.critiques)) < len(brief.critiques)
    told = "\n".join(found.remarks)
    for part, word in (
        (shown.own != brief.own, "its own answer"),
        (shown.candidates != brief.candidates, "answers ("),
        (shown.critiques != brief.critiques, "objections"),
        (shown.suggestions != brief.suggestions, "suggestions"),
        (shown.context != brief.context, "the context"),
    ):
        assert part == (word in told)
    for text, whole_text in [(shown.own, brief.own), (shown.context, brief.context)] + [
        (one.text, of.text) for one, of in zip(shown.candidates, brief.candidates, strict=True)
    ]:
        assert text == whole_text or text.endswith(" characters shown]")
    assert bool(brief.own.strip()) == bool(shown.own.strip())


def test_the_largest_brief_there_is_is_fitted_in_a_blink() -> None:
    huge = Brief(
        "Q" * 20_000,
        "\n\n".join(SENTENCE * 10 for _ in range(160)),
        own=SENTENCE * 300,
        candidates=tuple(Candidate(label, SENTENCE * 320) for label in "ABCDEFGHIJKLMNOPQRST"),
        critiques=tuple(f"{label}: {'objection ' * 90}" for label in "ABCDEFGHIJKLMNOPQRST" for _ in range(19)),
    )
    began = time.process_time()
    fitted(huge, 60_000)
    assert time.process_time() - began < 5.0


@pytest.mark.parametrize("kind", [AskKind.VOTE, AskKind.RANK, AskKind.JUDGE, AskKind.GROUP])
def test_a_ballot_for_a_small_model_has_every_label_with_a_conclusion(kind: AskKind) -> None:
    brief = Brief("Which?", candidates=answers(*[8_000] * 6))
    found = fit(brief, 3_000, lambda tried: size(tried, kind))
    assert found is not None
    assert all(one.text.startswith(f"Answer {one.label}. ") for one in found.brief.candidates)


@pytest.mark.parametrize(
    ("beginning", "conclusion"),
    [
        ("## Recommendation\n\nUse PostgreSQL. ", "Use PostgreSQL."),
        ("1. Use PostgreSQL for the main store. ", "Use PostgreSQL for the main store."),
        ("**Answer:** Yes. It is worth the effort. ", "It is worth the effort."),
        ("Dr. Smith would take tea. ", "Smith would take tea."),
    ],
)
def test_a_heading_a_number_or_an_abbreviation_alone_is_no_conclusion(beginning: str, conclusion: str) -> None:
    answer = beginning + SENTENCE * 100
    brief = replace(FULL, candidates=(Candidate("A", answer), Candidate("B", answer)), critiques=(), context="")
    least = next(found for budget in range(100, WHOLE, 5) if (found := fit(brief, budget, size)) is not None)
    for one in least.brief.candidates:
        assert conclusion in one.text
        assert "[shortened: " in one.text
