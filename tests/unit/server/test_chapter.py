"""What follows from the declaration of a route."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from fastapi import Body, Query
from pydantic import BaseModel
from starlette.responses import PlainTextResponse, Response

from aragora.identity.rbac import ADMIN, DEBATES_READ, PUBLIC, USER
from aragora.server.chapter import Call, Chapter


class Thing(BaseModel):
    name: str


def documented(chapter: Chapter[Any]) -> set[int]:
    (route,) = chapter.routes
    return {int(status) for status in route.responses}


def test_a_route_without_a_policy_fails_where_it_is_declared() -> None:
    with pytest.raises(KeyError, match="needs"):
        Chapter[None]("things").get("/things")  # type: ignore[call-arg]


def test_a_public_route_without_input_documents_only_what_it_names() -> None:
    things: Chapter[None] = Chapter("things")

    @things.get("/things", needs=PUBLIC, refuses=(503,))
    async def things_of(call: Call[None]) -> Response:
        return Response()

    assert documented(things) == {503}


@pytest.mark.parametrize(
    ("policy", "failures"),
    [(USER, {401, 429, 503}), (ADMIN, {401, 403, 429, 503}), (DEBATES_READ, {401, 403, 429, 503})],
)
def test_the_failures_of_a_policy_are_documented(policy: Any, failures: set[int]) -> None:
    things: Chapter[None] = Chapter("things")

    @things.get("/things", needs=policy)
    async def things_of(call: Call[None]) -> Response:
        return Response()

    assert documented(things) == failures


def test_parameters_bodies_and_paths_bring_their_failures() -> None:
    asked: Chapter[None] = Chapter("asked")
    sent: Chapter[None] = Chapter("sent")
    named: Chapter[None] = Chapter("named")
    made: Chapter[None] = Chapter("made")

    @asked.get("/things", needs=PUBLIC)
    async def ask(call: Call[None], limit: Annotated[int, Query(ge=1)] = 1) -> Response:
        return Response()

    @sent.post("/things", needs=PUBLIC)
    async def send(call: Call[None], body: Annotated[Thing | None, Body()] = None) -> Response:
        return Response()

    @named.get("/things/{name}", needs=PUBLIC)
    async def name_it(call: Call[None], name: str) -> Response:
        return Response()

    @made.put("/things/{name}", needs=PUBLIC, missing=False)
    async def make(call: Call[None], name: str) -> Response:
        return Response()

    assert documented(asked) == {422}
    assert documented(sent) == {413, 422}
    assert documented(named) == {404, 422}
    assert documented(made) == {422}


def test_a_model_or_a_kind_of_answer_is_given() -> None:
    things: Chapter[None] = Chapter("things")

    @things.get("/things", needs=PUBLIC, gives=Thing, tag="others")
    @things.get("/text", needs=PUBLIC, gives=PlainTextResponse)
    async def give(call: Call[None]) -> Response:
        return Response()

    text, thing = things.routes
    assert (thing.response_model, thing.tags) == (Thing, ["others"])
    assert (text.response_model, text.response_class, text.tags) == (None, PlainTextResponse, ["things"])
