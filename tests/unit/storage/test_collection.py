"""Collections: typed values in and out, secrets sealed, changes that lose none, pages that follow each other."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from sqlalchemy import MetaData
from structlog.testing import capture_logs
from worlds.backends import SetClock
from worlds.memory_stores import MemoryDocuments

from aragora.errors import Conflict, InvalidInput
from aragora.secrets.encryption import DecryptionFailed, EncryptionService, KeyNotFound
from aragora.secrets.keyring import Keyring
from aragora.storage.collection import CHANGE_ATTEMPTS, Collection, Schema, Scope, Unreadable, record_id
from aragora.storage.contexts import Context
from aragora.storage.documents import DocumentRow, document_table
from aragora.storage.tables import METADATA


@dataclass(frozen=True)
class Hook:
    hook_id: str
    org_id: str
    owner: str
    url: str
    attempts: int = 0
    parts: tuple[Mapping[str, Any], ...] = ()
    signing_secret: str = field(default="", repr=False)


@pytest.fixture(scope="module")
def schema() -> Schema[Hook]:
    kept = METADATA[Context.CORE]
    METADATA[Context.CORE] = MetaData()  # the test's table is none of the product's
    try:
        table = document_table("hooks", Context.CORE)
    finally:
        METADATA[Context.CORE] = kept
    return Schema(
        name="hook",
        table=table,
        model=Hook,
        key_of=lambda it: (it.org_id, it.hook_id),
        scope_of=lambda it: Scope(it.org_id, owner=it.owner, kind="webhook"),
        columns={"org_id": "org_id", "owner": "owner"},
    )


@pytest.fixture
def rows() -> MemoryDocuments:
    return MemoryDocuments()


@pytest.fixture
def crypto() -> EncryptionService:
    return EncryptionService(Keyring.ephemeral())


@pytest.fixture
def hooks(schema: Schema[Hook], rows: MemoryDocuments, crypto: EncryptionService) -> Collection[Hook]:
    return Collection(schema, rows, SetClock(100.0), crypto=crypto)


HOOK = Hook("h1", "acme", "ann", "https://a.example", parts=({"token": "hidden", "n": 1},), signing_secret="hidden")


async def test_a_value_comes_back_as_it_was_saved_and_its_secrets_rest_encrypted(
    hooks: Collection[Hook], rows: MemoryDocuments
) -> None:
    await hooks.save(HOOK)
    assert await hooks.get(("acme", "h1")) == HOOK
    row = rows.rows["acme/h1"]
    assert (row.org_id, row.owner, row.kind, row.created_at) == ("acme", "ann", "webhook", 100.0)
    assert "hidden" not in row.payload  # at any depth, also within a tuple
    assert list(json.loads(row.payload)) == ["hook_id", "url", "attempts", "parts", "signing_secret"]


async def test_what_has_no_secrets_rests_as_it_is(schema: Schema[Hook], rows: MemoryDocuments) -> None:
    hooks = Collection(schema, rows, SetClock(), crypto=None)
    await hooks.save(replace(HOOK, parts=(), signing_secret=""))
    assert json.loads(rows.rows["acme/h1"].payload) == {
        "hook_id": "h1",
        "url": "https://a.example",
        "attempts": 0,
        "parts": [],
        "signing_secret": "",
    }


async def test_what_is_not_there_is_none(hooks: Collection[Hook]) -> None:
    assert await hooks.get(("acme", "h1")) is None
    assert await hooks.change(("acme", "h1"), lambda it: it) is None
    assert not await hooks.delete(("acme", "h1"))
    assert await hooks.count() == 0


async def test_pages_follow_each_other_and_keep_to_their_scope(hooks: Collection[Hook]) -> None:
    for number in range(7):
        await hooks.save(replace(HOOK, hook_id=f"h{number}", owner="ann" if number % 2 else "bob"))
    await hooks.save(replace(HOOK, org_id="other"))
    seen: list[str] = []
    cursor: str | None = None
    sizes: list[int] = []
    while True:
        page = await hooks.page(org_id="acme", cursor=cursor, limit=3)
        seen += [hook.hook_id for hook in page.items]
        sizes.append(len(page.items))
        cursor = page.next_cursor
        if cursor is None:
            break
    assert (seen, sizes) == ([f"h{number}" for number in range(7)], [3, 3, 1])
    whole = await hooks.page(org_id="acme", owner="ann", limit=3)
    assert ([hook.hook_id for hook in whole.items], whole.next_cursor) == (["h1", "h3", "h5"], None)
    assert [hook.hook_id for hook in await hooks.find(org_id="acme", owner="ann")] == ["h1", "h3", "h5"]
    with pytest.raises(InvalidInput):
        await hooks.page(org_id="acme", cursor="not ours")


async def test_of_changes_at_once_none_is_lost(hooks: Collection[Hook]) -> None:
    await hooks.save(HOOK)
    await asyncio.gather(
        *(hooks.change(("acme", "h1"), lambda it: replace(it, attempts=it.attempts + 1)) for _ in range(5))
    )
    assert (await hooks.get(("acme", "h1")) or HOOK).attempts == 5


class AlwaysChanged(MemoryDocuments):
    """Another writer is always faster."""

    tries = 0

    async def replace(self, row: DocumentRow, payload: str, now: float) -> bool:
        self.tries += 1
        return False


async def test_a_change_that_always_comes_too_late_ends_in_a_conflict(
    schema: Schema[Hook], crypto: EncryptionService
) -> None:
    rows = AlwaysChanged()
    hooks = Collection(schema, rows, SetClock(), crypto=crypto)
    await hooks.save(HOOK)
    with pytest.raises(Conflict, match="hook record is being changed"):
        await hooks.change(("acme", "h1"), lambda it: replace(it, attempts=1))
    assert rows.tries == CHANGE_ATTEMPTS


@pytest.mark.parametrize("moved", [{"hook_id": "h2"}, {"org_id": "other"}, {"owner": "bob"}])
async def test_a_change_does_not_move_a_value(moved: dict[str, str], hooks: Collection[Hook]) -> None:
    await hooks.save(HOOK)
    with pytest.raises(ValueError, match="moved a hook record"):
        await hooks.change(("acme", "h1"), lambda it: replace(it, **moved))
    assert await hooks.get(("acme", "h1")) == HOOK


@pytest.mark.parametrize("payload", ["{not json", "7", "[]", "null"])
async def test_what_is_no_document_does_not_open(payload: str, hooks: Collection[Hook], rows: MemoryDocuments) -> None:
    await hooks.save(HOOK)
    rows.rows["acme/h1"] = replace(rows.rows["acme/h1"], payload=payload)
    with pytest.raises(DecryptionFailed, match="acme/h1"):
        await hooks.get(("acme", "h1"))


@pytest.mark.parametrize("payload", ["{}", '{"hook_id":"h1","url":5}'])
async def test_a_document_of_another_shape_is_unreadable(
    payload: str, hooks: Collection[Hook], rows: MemoryDocuments
) -> None:
    await hooks.save(HOOK)
    rows.rows["acme/h1"] = replace(rows.rows["acme/h1"], payload=payload)
    with pytest.raises(Unreadable, match="acme/h1"):
        await hooks.get(("acme", "h1"))


DAMAGES = {
    "no_json": "{not json",
    "no_object": "[]",
    "another_type": '{"hook_id":"h1","url":5}',
    "too_deep": "[" * 100_000,
    "half_a_character": '{"hook_id":"\udcff"}',
    "ciphertext": '{"hook_id":"h1","url":"u","signing_secret":{"_encrypted":true,"key_id":"k","nonce":"?","ciphertext":"?"}}',
}


@pytest.mark.parametrize("payload", DAMAGES.values(), ids=DAMAGES)
async def test_one_document_that_cannot_be_read_leaves_the_others_in_lists_and_is_named(
    payload: str, hooks: Collection[Hook], rows: MemoryDocuments
) -> None:
    for number in range(3):
        await hooks.save(replace(HOOK, hook_id=f"h{number}"))
    rows.rows["acme/h1"] = replace(rows.rows["acme/h1"], payload=payload)
    with capture_logs() as logs:
        survey = await hooks.survey(org_id="acme")
    assert [hook.hook_id for hook in survey.values] == ["h0", "h2"]
    assert [(one.record_id, one.owner, one.kind) for one in survey.damaged] == [("acme/h1", "ann", "webhook")]
    assert survey.damaged[0].reason
    assert [(line["event"], line["id"]) for line in logs] == [("a record cannot be read", "acme/h1")]
    assert await hooks.find(org_id="acme") == survey.values
    first = await hooks.page(org_id="acme", limit=2)
    assert [hook.hook_id for hook in first.items] == ["h0"]
    assert [hook.hook_id for hook in (await hooks.page(org_id="acme", cursor=first.next_cursor)).items] == ["h2"]

    await hooks.save(replace(HOOK, hook_id="h1"))
    assert len(await hooks.find(org_id="acme")) == 3
    rows.rows["acme/h1"] = replace(rows.rows["acme/h1"], payload=payload)
    assert await hooks.delete(("acme", "h1"))


async def test_a_field_that_this_version_does_not_know_is_passed_over(
    hooks: Collection[Hook], rows: MemoryDocuments
) -> None:
    await hooks.save(HOOK)
    row = rows.rows["acme/h1"]
    rows.rows["acme/h1"] = replace(row, payload=json.dumps({**json.loads(row.payload), "later": 1}))
    assert await hooks.get(("acme", "h1")) == HOOK


async def test_without_its_key_a_secret_does_not_open(
    schema: Schema[Hook], hooks: Collection[Hook], rows: MemoryDocuments
) -> None:
    await hooks.save(HOOK)
    stranger = Collection(schema, rows, SetClock(), crypto=EncryptionService(Keyring.ephemeral()))
    with pytest.raises(KeyNotFound):
        await stranger.get(("acme", "h1"))


def test_record_ids_are_never_ambiguous() -> None:
    assert record_id("a/b", "c") != record_id("a", "b/c")
    assert record_id("a%2Fb", "c") != record_id("a/b", "c")


@pytest.mark.parametrize("name", ["", "a\x00", "a\n", "x" * 201])
def test_a_bad_name_makes_no_record_id(name: str) -> None:
    with pytest.raises(InvalidInput):
        record_id("acme", name)
