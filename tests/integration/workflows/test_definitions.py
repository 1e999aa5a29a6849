"""Definitions on both databases: versions that never change, lists within a scope, deletion that leaves what was."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from worlds.backends import SetClock

from aragora.errors import AragoraError, Conflict, InvalidInput, NotFound
from aragora.scope import Scope
from aragora.workflows.reading import Written, read, read_back
from aragora.workflows.store import definitions as store_module
from aragora.workflows.store.definitions import DefinitionStore, Head, Wanted

MINE = Scope("acme", None)
ALL = Wanted()


class Runs:
    """Executions of the workflows named."""

    def __init__(self, *ids: str) -> None:
        self.ids = ids

    async def running_of(self, workflow_id: str) -> bool:
        return workflow_id in self.ids


def written(name: str = "n", **more: Any) -> Written:
    return read({"name": name, "steps": [{"id": "a", "type": "ask", "question": "Why? é 💡"}], **more})


async def made(store: DefinitionStore, name: str = "n", **more: Any) -> Head:
    return await store.create("acme", "default", "ann", written(name, **more))


async def names(store: DefinitionStore, wanted: Wanted = ALL, scope: Scope = MINE) -> list[str]:
    return [one.name for one in (await store.page(scope, wanted)).items]


async def test_what_is_read_is_what_was_written(definitions: DefinitionStore, clock: SetClock) -> None:
    one = written("Name é 💡", tags=["a", "b"], category="law", description="line\nline")
    head = await definitions.create("acme", "default", "ann", one)
    assert (head.version, head.tags, head.digest, head.created_at) == (1, ("a", "b"), one.digest, clock.at)
    found, version = await definitions.get(head.workflow_id, MINE)
    assert found == head
    assert (version.document, version.digest, version.created_by) == (one.text, one.digest, "ann")
    assert read_back(version.document) == one.definition


async def test_a_change_makes_a_version_and_leaves_those_before(definitions: DefinitionStore, clock: SetClock) -> None:
    head = await made(definitions, "first")
    clock.at += 5
    changed = await definitions.change(head.workflow_id, MINE, "bob", written("second", tags=["x"]), version=1)
    assert (changed.version, changed.name, changed.updated_by, changed.created_by) == (2, "second", "bob", "ann")
    assert (changed.created_at, changed.updated_at) == (clock.at - 5, clock.at)
    assert (await definitions.get(head.workflow_id, MINE))[0] == changed
    old = (await definitions.get(head.workflow_id, MINE, 1))[1]
    assert read_back(old.document).name == "first"
    assert [one.version for one in await definitions.versions(head.workflow_id, MINE)] == [2, 1]
    assert [one.version for one in await definitions.versions(head.workflow_id, MINE, before=2)] == [1]
    assert await definitions.authors(head.workflow_id, 1) == ("ann",)
    assert await definitions.authors(head.workflow_id, 2) == ("ann", "bob")


async def test_a_stale_version_is_refused_and_the_same_document_makes_none(definitions: DefinitionStore) -> None:
    head = await made(definitions)
    assert await definitions.change(head.workflow_id, MINE, "bob", written(), version=1) == head
    await definitions.change(head.workflow_id, MINE, "bob", written("second"), version=None)
    with pytest.raises(Conflict) as raised:
        await definitions.change(head.workflow_id, MINE, "bob", written("third"), version=1)
    assert raised.value.code == "version_conflict"


async def test_of_changes_at_the_same_time_one_comes_first(definitions: DefinitionStore) -> None:
    head = await made(definitions)
    changes = [definitions.change(head.workflow_id, MINE, "b", written(f"n{n}"), version=1) for n in range(8)]
    came = await asyncio.gather(*changes, return_exceptions=True)
    assert [one.version for one in came if isinstance(one, Head)] == [2]
    assert {one.code for one in came if isinstance(one, AragoraError)} == {"version_conflict"}
    assert len(await definitions.versions(head.workflow_id, MINE)) == 2


async def test_what_is_out_of_scope_does_not_exist(definitions: DefinitionStore) -> None:
    head = await made(definitions)
    for scope in (Scope("other", None), Scope("acme", frozenset({"lab"})), Scope("acme", frozenset())):
        for act in (
            definitions.get(head.workflow_id, scope),
            definitions.get(head.workflow_id, scope, 1),
            definitions.versions(head.workflow_id, scope),
            definitions.change(head.workflow_id, scope, "eve", written("x"), version=None),
            definitions.delete(head.workflow_id, scope, None),
        ):
            with pytest.raises(NotFound):
                await act
        assert await names(definitions, scope=scope) == []
    assert await names(definitions, scope=Scope("acme", frozenset({"default"}))) == ["n"]
    with pytest.raises(NotFound, match="no version 7"):
        await definitions.get(head.workflow_id, MINE, 7)


async def test_a_deleted_workflow_is_gone_and_its_versions_stay(definitions: DefinitionStore) -> None:
    head = await made(definitions)
    with pytest.raises(Conflict) as raised:
        await definitions.delete(head.workflow_id, MINE, Runs(head.workflow_id))
    assert raised.value.code == "workflow_running"
    assert await names(definitions) == ["n"]
    await definitions.delete(head.workflow_id, MINE, Runs("wf_other"))
    assert await names(definitions) == []
    for act in (definitions.get(head.workflow_id, MINE), definitions.delete(head.workflow_id, MINE, None)):
        with pytest.raises(NotFound):
            await act
    assert (await definitions.pinned(head.workflow_id, 1)).digest == head.digest
    with pytest.raises(NotFound):
        await definitions.pinned(head.workflow_id, 2)


async def test_what_somebody_has_changed_meanwhile_is_not_deleted(definitions: DefinitionStore) -> None:
    head = await made(definitions)
    await definitions.change(head.workflow_id, MINE, "bob", written("second"), version=1)
    with pytest.raises(Conflict) as raised:
        await definitions.delete(head.workflow_id, MINE, None, version=1)
    assert raised.value.code == "version_conflict"
    await definitions.delete(head.workflow_id, MINE, None, version=2)
    assert await names(definitions) == []


async def test_lists_are_filtered(definitions: DefinitionStore, clock: SetClock) -> None:
    for name, more in (
        ("Sign-off ÉCLAIR 100%", {"category": "law", "tags": ["a", "b c"]}),
        ("Quick", {"category": "law", "tags": ["ab"]}),
        ("slow_1", {"tags": ['q"uote', "a%"]}),
    ):
        clock.at += 1
        await made(definitions, name, **more)
    assert await names(definitions) == ["slow_1", "Quick", "Sign-off ÉCLAIR 100%"]
    assert await names(definitions, Wanted(category="law")) == ["Quick", "Sign-off ÉCLAIR 100%"]
    assert await names(definitions, Wanted(tag="a")) == ["Sign-off ÉCLAIR 100%"]
    assert await names(definitions, Wanted(tag='q"uote')) == ["slow_1"]
    assert await names(definitions, Wanted(tag="%")) == []
    assert await names(definitions, Wanted(search="éclair")) == ["Sign-off ÉCLAIR 100%"]
    assert await names(definitions, Wanted(search="0%")) == ["Sign-off ÉCLAIR 100%"]
    assert await names(definitions, Wanted(search="w_")) == ["slow_1"]


async def test_pages_follow_each_other(definitions: DefinitionStore, clock: SetClock) -> None:
    for number in range(5):
        clock.at += number % 2
        await made(definitions, f"n{number}")
    seen, cursor = [], None
    for _ in range(3):
        page = await definitions.page(MINE, ALL, cursor=cursor, limit=2)
        seen += [one.workflow_id for one in page.items]
        cursor = page.next_cursor
    assert cursor is None
    assert len(set(seen)) == 5
    with pytest.raises(InvalidInput):
        await definitions.page(MINE, ALL, cursor="x")


async def test_there_are_so_many_and_no_more(definitions: DefinitionStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "WORKFLOWS_MAX", 1)
    monkeypatch.setattr(store_module, "VERSIONS_MAX", 1)
    head = await made(definitions)
    with pytest.raises(Conflict) as raised:
        await made(definitions)
    assert raised.value.code == "too_many_workflows"
    with pytest.raises(Conflict) as raised:
        await definitions.change(head.workflow_id, MINE, "ann", written("x"), version=None)
    assert raised.value.code == "too_many_versions"
    await definitions.delete(head.workflow_id, MINE, None)
    await made(definitions)
