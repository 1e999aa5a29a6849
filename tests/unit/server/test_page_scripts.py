"""The page for people: what it shows of a debate as its events come, and who is offered to sign. Its scripts run in
node, on a document that only keeps what they set."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import playwright
import pytest
from worlds.receipt_vectors import FOLDER, NAMES, OLD

ROOT = Path(__file__).parents[3]
SCRIPTS = ROOT / "aragora" / "server" / "pages"
DRIVER = ROOT / "tests" / "worlds" / "page_without_browser.mjs"
NODE = Path(playwright.__file__).parent / "driver" / "node"  # the one that Playwright brings along
NOBODY = {"user_id": "usr_5", "roles": ["member"]}


def journal(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / f"{name}.jsonl").read_text().splitlines()]


def page(events: list[dict[str, Any]], me: dict[str, Any] | None = None, **more: Any) -> Any:
    """What a reader sees after these events."""
    debate_id = events[0]["loop_id"] if events else "deb_1"
    asked = {"scripts": str(SCRIPTS), "me": me or NOBODY, "debateId": debate_id, "events": events, **more}
    ran = subprocess.run(
        [NODE, str(DRIVER)], input=json.dumps(asked), capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def until(name: str, kind: str, which: int = 0) -> list[dict[str, Any]]:
    """The journal up to and including an event of this kind."""
    events = journal(name)
    places = [place for place, event in enumerate(events) if event["type"] == kind]
    return events[: places[which] + 1]


def ended(events: list[dict[str, Any]], status: str) -> list[dict[str, Any]]:
    data = {"status": status, "reason": "cancelled by usr_1", "rounds": 1, "cost_usd": 0.0}
    return [*events, {**events[-1], "type": "debate_end", "seq": len(events) + 1, "data": data}]


def test_no_script_of_the_page_sets_markup_or_runs_text() -> None:
    for script in SCRIPTS.glob("*.js"):
        assert not re.search(
            r"(inner|outer)HTML|insertAdjacentHTML|document\.write|\beval\(|new Function", script.read_text()
        )


@pytest.mark.parametrize("name", NAMES)
def test_every_debate_is_shown_to_its_end_without_a_fault(name: str) -> None:
    events = journal(name)
    shown = page(events)
    assert shown["faults"] == []
    decision = events[-3]["data"]["decision"]
    assert decision["answer"] in shown["decision"]
    assert (decision.get("headline") or "No decision by the rule") in shown["decision"]
    assert shown["gate"] == ""


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("agreement", "Settled"),
        ("degraded", "Not decided, degraded"),
        ("gate_with_veto", "Not decided"),
        ("gate_with_change", "Settled"),
        (OLD, "Not decided"),
    ],
)
def test_the_state_says_whether_it_was_decided_and_whether_degraded(name: str, state: str) -> None:
    assert page(journal(name))["state"] == state


def test_a_decision_tells_who_took_part_and_keeps_self_reports_apart() -> None:
    shown = page(journal("degraded"))["decision"]
    assert "4 asked, 2 answered, 1 of 4 voted. Models: stub/alpha-1, stub/beta-2." in shown
    assert "call themselves 80 % sure, which counts for nothing" in shown
    assert "The leading answer, not a decision, of ann-ai" in shown


def test_what_earlier_debates_tell_is_shown_with_the_items_and_without_any() -> None:
    events = until("with_knowledge", "knowledge_offered")
    hints = {
        "checklist": [{"text": "It names no source.", "item_id": "kn_1", "debates": 3, "effective": 0.75}],
        "priors": [{"position": "three", "item_id": "kn_2", "share": 0.734, "debates": 2, "of": 3}],
        "cruxes": [{"text": "The disk is the bottleneck.", "item_id": "kn_3", "debates": 2}],
    }
    for nothing in ({}, {"items": [], "why": "none"}):
        shown = page([*events[:-1], {**events[-1], "data": {**events[-1]["data"], **hints, **nothing}}])
        assert shown["faults"] == []
        told = str(shown)
        assert "three: 0.73 over 3 independent debates, 2 of them for it" in told
        assert "shown and not to be followed" in told
        assert "The disk is the bottleneck." in told
        assert "It names no source." in told
        assert ("Nothing is known of this question" in told) is bool(nothing)


def test_a_proposed_decision_is_not_shown_as_decided_until_all_have_signed() -> None:
    for which, missing in ((0, "role:owner"), (1, "user:usr_1")):
        shown = page(until("gate_with_change", "signature", which))
        assert shown["state"] == "Waits for signatures"
        assert "Proposed, and not decided yet" in shown["gate"]
        assert f"It waits for {missing}." in shown["gate"]
    assert "Coffee, but only before noon." in shown["gate"], "the other signer must see the new words"


def test_a_proposal_of_a_debate_that_was_cancelled_is_told_as_never_signed() -> None:
    shown = page(ended(until("gate_with_veto", "signature"), "cancelled"))
    assert shown["state"] == "Cancelled"
    assert shown["gate"] == "This was proposed and never signed: nothing is decided."


@pytest.mark.parametrize(
    ("me", "signed", "buttons"),
    [
        ({"user_id": "usr_1", "roles": ["member"]}, 0, ["Approve", "Veto", "Change"]),
        ({"user_id": "usr_7", "roles": ["owner"]}, 0, ["Approve", "Veto", "Change"]),
        ({"user_id": "usr_7", "roles": ["member"]}, 0, []),
        ({"user_id": "usr_1", "roles": ["member"]}, 1, ["Approve", "Veto", "Change"]),  # and may change its mind
        ({"user_id": "usr_7", "roles": ["owner"]}, 1, ["Approve", "Veto", "Change"]),
    ],
)
def test_only_who_may_sign_is_offered_to(me: dict[str, Any], signed: int, buttons: list[str]) -> None:
    events = until("gate_with_veto", "signature" if signed else "decision_proposed")
    assert page(events, me)["buttons"] == buttons


def test_a_button_signs_with_its_verdict() -> None:
    shown = page(until("gate_with_veto", "decision_proposed"), {"user_id": "usr_1", "roles": []}, press="Veto")
    assert shown["sent"] == [["/api/debates/deb_vector9/signatures", {"verdict": "veto", "note": ""}]]


def test_a_change_is_signed_with_its_words_and_option() -> None:
    me, fill = (
        {"user_id": "usr_1", "roles": []},
        {"sign-answer": " Water. ", "sign-note": "dry", "sign-option": "coffee"},
    )
    shown = page(until("gate_with_veto", "decision_proposed"), me, press="Change", fill=fill)
    said = {"verdict": "change", "note": "dry", "answer": "Water.", "option": "coffee"}
    assert shown["sent"] == [["/api/debates/deb_vector9/signatures", said]]
    kept = page(until("gate_with_veto", "decision_proposed"), me, press="Change", fill={"sign-answer": "Less."})
    assert kept["sent"][0][1]["option"] == "tea", "the option that is proposed"


def test_a_change_without_words_is_not_sent() -> None:
    me = {"user_id": "usr_1", "roles": []}
    shown = page(until("gate_with_veto", "decision_proposed"), me, press="Change")
    assert (shown["sent"], shown["problem"]) == ([], "Write the answer that is to stand.")


def test_who_may_sign_for_several_needs_may_say_for_which() -> None:
    both = {"user_id": "usr_9", "roles": ["owner", "member"]}
    events = until("gate_with_two_roles", "decision_proposed")
    shown = page(events, both, press="Approve", fill={"sign-need": "role:member"})
    assert shown["sent"][0][1] == {"verdict": "approve", "note": "", "need": "role:member"}
    assert "need" not in page(events, both, press="Approve")["sent"][0][1]
    assert "Sign for" not in page(events, {"user_id": "usr_8", "roles": ["owner"]})["gate"]


def test_who_signs_for_another_need_leaves_the_first_one_free() -> None:
    events = until("gate_with_two_roles", "signature", 1)
    shown = page(events, {"user_id": "usr_8", "roles": ["owner"]})
    assert "It waits for role:owner." in shown["gate"]
    assert shown["buttons"] == ["Approve", "Veto", "Change"]
    assert shown["gate"].count("usr_9") == 1


def test_an_address_that_no_page_writes_leaves_the_page_whole() -> None:
    assert page([], hash="#%E0%A4%A")["open"] is False
