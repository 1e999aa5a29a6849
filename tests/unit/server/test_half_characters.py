"""Half a character, which JSON can say and no text can hold: refused by name in every place, and nothing is kept."""

from __future__ import annotations

import json
from typing import Any

import pytest

HALF = "hi \ud83d there"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("question", HALF),
        ("context", HALF),
        ("domain", HALF),
        ("agents", ["ada", HALF]),
        ("options", ["tea", HALF]),
        ("needs", [f"user:{HALF}"]),
        ("judge", HALF),
    ],
)
async def test_no_part_of_a_debate_that_is_opened_may_hold_one(client: Any, world: Any, field: str, value: Any) -> None:
    answer = await sent(client, "/api/debates", {"question": "Tea?", field: value})
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "invalid_input"
    assert field in answer.json()["error"]["message"]
    assert world.opened == []


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("votes", {"choice": HALF}, "choice"),
        ("votes", {"suggestion": HALF}, "suggestion"),
        ("positions", {"groups": [["ada", HALF]]}, "groups"),
        ("signatures", {"verdict": "approve", "note": HALF}, "note"),
        ("signatures", {"verdict": "change", "answer": HALF}, "answer"),
    ],
)
async def test_no_word_of_a_person_may_hold_one(
    client: Any, world: Any, path: str, body: dict[str, Any], field: str
) -> None:
    world.add()
    before = list(world.journals["deb_1"])
    answer = await sent(client, f"/api/debates/deb_1/{path}", body)
    assert answer.status_code == 422
    assert field in answer.json()["error"]["message"]
    assert world.journals["deb_1"] == before


async def test_both_halves_together_are_a_character(client: Any, world: Any) -> None:
    answer = await client.post(
        "/api/debates", content=b'{"question": "Cheers \\ud83c\\udf79?"}', headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 202
    assert world.opened[0].question == "Cheers \U0001f379?"


async def sent(client: Any, path: str, body: dict[str, Any]) -> Any:
    """The body as clients write it that keep to ASCII."""
    return await client.post(path, content=json.dumps(body).encode(), headers={"Content-Type": "application/json"})
